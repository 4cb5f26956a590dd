// A new account: once the provider is chosen, the server draws the fields which fit it.
document.addEventListener("DOMContentLoaded", () => {
    const provider = document.querySelector("select#id_provider");
    if (!provider) return;
    provider.addEventListener("change", () => {
        const query = new URLSearchParams(location.search);
        query.set("provider", provider.value);
        query.set("name", document.querySelector("#id_name").value);
        location.search = query;
    });
});
