// “Hear it” beside a voice: the link follows what the form says now, saved or not.
document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-hear]");
    const row = link?.closest("tr");
    if (!row) return;
    const valueOf = (element) => element?.value.trim() ?? "";
    const inRow = (name) => valueOf(row.querySelector(`[name$="-${name}"]`));
    const account = inRow("account");
    if (!account) return event.preventDefault();
    const url = new URL(link.href);
    url.pathname = url.pathname.replace(/\/\d+\/change\/$/, `/${account}/change/`);
    const wanted = {
        voice: inRow("voice"),
        model: inRow("model"),
        language: valueOf(document.querySelector("#id_language")),
        text: valueOf(document.querySelector("#id_greeting")).slice(0, 300),
    };
    url.search = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value));
    link.href = url;
});
