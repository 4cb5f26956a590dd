"""Which providers a project's calls run on: its own, its tier's, or the environment's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from urllib.parse import urlsplit

from django.conf import settings

from agents import pricebook
from agents.environment import ORDER_VARIABLES, Defaults
from agents.house import is_private
from agents.models import ChainMember, Project, ProviderAccount
from agents.providers import PROVIDERS, Provider, Role

OWN, EMBEDDED_DEFAULT = "this project", "embedded default"
EMBEDDED: Mapping[Role, str] = {Role.STT: "sphinx", Role.LLM: "faq", Role.TTS: "flite"}
VOICE_IS_MODEL = frozenset({"deepgram-tts"})  # each voice of theirs is a model

Accounts = Mapping[str, ProviderAccount]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One place in a chain, with everything a call needs to know of it."""

    slug: str
    source: str
    account: ProviderAccount | None = None  # None: a part of this product, with nothing to know
    model: str = ""
    voice: str = ""
    expected_ms: int = 0

    @property
    def provider(self) -> Provider | None:
        """None: gone from the catalogue."""
        return PROVIDERS.get(self.slug)

    @property
    def label(self) -> str:
        return self.provider.label if self.provider else self.slug

    @property
    def name(self) -> str:
        return self.account.name if self.account else self.label

    @property
    def base_url(self) -> str:
        return self.account.base_url if self.account else ""

    @property
    def host(self) -> str:
        """Empty: the provider's own, or none at all."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def sealed_key(self) -> str:
        return self.account.sealed_key if self.account else ""

    @property
    def cloud(self) -> bool:
        return self.provider is not None and not self.provider.local

    @property
    def stays_inside(self) -> bool:
        """Whether what a caller says stays in the house, as far as the address tells."""
        if self.provider is None or self.provider.embedded:
            return True
        return bool(self.host) and is_private(self.host)

    def languages(self) -> tuple[str, ...]:
        """Empty: no limit known."""
        return pricebook.languages(self.slug, self.voice, self.model)

    def speaks(self, language: str) -> bool:
        spoken = self.languages()
        return not spoken or language.partition("-")[0] in spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    role: Role
    members: tuple[Member, ...] = ()
    notes: tuple[str, ...] = ()  # who was left out, and why
    problems: tuple[str, ...] = field(default=())  # what the project asks for and cannot have


def is_installed(provider: Provider) -> bool:
    """Whether the provider's own package is here; most need none."""
    if not provider.package:
        return True
    plugin = provider.package.removeprefix("livekit-plugins-").replace("-", "_")
    return find_spec(f"livekit.plugins.{plugin}") is not None


def mode_of(project: Project) -> str:
    defaults: Defaults = settings.AGENT_DEFAULTS
    return project.mode or defaults.mode


def chains_of(project: Project, accounts: Accounts) -> dict[Role, Chain]:
    """Project before tier before environment. `accounts`: the environment's, by provider."""
    own = list(project.members.select_related("account").order_by("position", "pk"))
    return {
        role: _own(project, role, [row for row in own if row.role == role])
        or _tier(project, role, accounts)
        or from_environment(project, role, accounts)
        for role in Role
    }


# --- the project's own ----------------------------------------------------------------------------


def _own(project: Project, role: Role, rows: Iterable[ChainMember]) -> Chain | None:
    members = tuple(
        member_of(row.account, model=row.model, voice=row.voice, language=project.language)
        for row in rows
    )
    return Chain(role=role, members=members) if members else None


def member_of(
    account: ProviderAccount, *, model: str = "", voice: str = "", language: str = "en"
) -> Member:
    """An account as a project names it."""
    member = Member(slug=account.provider, source=OWN, account=account, model=model, voice=voice)
    return _complete(member, language)


# --- the tier's -----------------------------------------------------------------------------------


def _tier(project: Project, role: Role, accounts: Accounts) -> Chain | None:
    """The tier's provider first; whoever else may follow by the mode is there if it fails."""
    if not project.tier:
        return None
    slug, model = tier_member(project.tier, role)
    rest = from_environment(project, role, accounts, embedded=False)
    account = accounts.get(slug) or _usable(slug)
    if account is None:
        return replace(rest, problems=(_no_account(project, PROVIDERS[slug]),))
    first = _complete(
        Member(slug=slug, source=f"tier {project.tier}", account=account, model=model),
        project.language,
    )
    others = tuple(one for one in rest.members if one.account != account)
    return replace(rest, members=(first, *others))


def tier_member(tier: str, role: Role) -> tuple[str, str]:
    """Slug and model. “Local” means the kind of server this installation runs."""
    defaults: Defaults = settings.AGENT_DEFAULTS
    slug, model = pricebook.tiers()[tier][role]
    ours = defaults.local[role]
    return (ours, "") if PROVIDERS[slug].local and slug != ours else (slug, model)


def _usable(slug: str) -> ProviderAccount | None:
    """A supervisor's account; rather one with key or address than one without."""
    rows = list(ProviderAccount.objects.filter(provider=slug, enabled=True).order_by("pk"))
    return next((r for r in rows if r.sealed_key or r.base_url), rows[0] if rows else None)


def _no_account(project: Project, provider: Provider) -> str:
    return (
        f"The speed “{project.get_tier_display()}” runs on {provider.label}, for which there is no "
        f"account. Set {provider.key_env or provider.url_env}, add an account, or choose another "
        f"speed."
    )


# --- the environment's ----------------------------------------------------------------------------


def from_environment(
    project: Project, role: Role, accounts: Accounts, *, embedded: bool = True
) -> Chain:
    """Who is named there and usable. `embedded`: our own parts if that leaves nobody."""
    mode = mode_of(project)
    if mode == "project":
        return Chain(role=role)
    source = f"environment ({ORDER_VARIABLES[role]})"
    members, notes = [], []
    for provider in (PROVIDERS[slug] for slug in _ordered(role, mode)):
        if reason := _unusable(provider, accounts):
            notes.append(f"{provider.label} is left out: {reason}")
        else:
            member = Member(slug=provider.slug, source=source, account=accounts.get(provider.slug))
            members.append(_complete(member, project.language))
    members, mute = _speaking(members, project.language)
    if not members and embedded and mode != "api":
        ours = Member(slug=EMBEDDED[role], source=EMBEDDED_DEFAULT)
        members = [_complete(ours, project.language)]
    return Chain(role=role, members=tuple(members), notes=(*notes, *mute))


def _ordered(role: Role, mode: str) -> tuple[str, ...]:
    defaults: Defaults = settings.AGENT_DEFAULTS
    order = defaults.orders[role]
    if mode == "api":
        return tuple(s for s in order if not PROVIDERS[s].local) or (defaults.cloud[role],)
    if mode == "local":
        return tuple(s for s in order if PROVIDERS[s].local) or (defaults.local[role],)
    return order


def _unusable(provider: Provider, accounts: Accounts) -> str:
    if not is_installed(provider):
        return f"{provider.package} is not installed. Run `make extras`."
    if provider.embedded or provider.slug in accounts:
        return ""
    return f"{provider.key_env or provider.url_env} is not set."


def _speaking(members: list[Member], language: str) -> tuple[list[Member], list[str]]:
    """Without those who do not speak the language; if nobody does, publishing says so."""
    able = [member for member in members if member.speaks(language)]
    if not able:
        return members, []
    mute = [member for member in members if member not in able]
    return able, [f"{one.label} is left out: it does not speak “{language}”." for one in mute]


# --- models and voices ----------------------------------------------------------------------------


def _complete(member: Member, language: str) -> Member:
    """With model, voice and estimate: what was chosen, the environment's, or the price book's."""
    named = member.model or (member.account.model if member.account else "")
    model, voice = named, ""
    if member.provider and member.provider.role is Role.TTS:
        voice = member.voice or _voice(member.slug, named, language)
    if member.slug in VOICE_IS_MODEL:
        model = voice
    model = model or _model(member.slug, language)
    expected = pricebook.estimate_ms(member.slug, model)
    return replace(member, model=model, voice=voice, expected_ms=expected)


def _model(slug: str, language: str) -> str:
    defaults: Defaults = settings.AGENT_DEFAULTS
    if named := defaults.model(slug, set_only=True):
        return named
    usual = pricebook.default_model(slug)
    if usual and _speaks(slug, usual, language):
        return usual
    others = (name for name in pricebook.models(slug) if _speaks(slug, name, language))
    return next(others, usual) or defaults.model(slug, set_only=False)


def _speaks(slug: str, model: str, language: str) -> bool:
    return Member(slug=slug, source="", model=model).speaks(language)


def _voice(slug: str, named_model: str, language: str) -> str:
    defaults: Defaults = settings.AGENT_DEFAULTS
    return (
        (named_model if slug in VOICE_IS_MODEL else "")
        or defaults.voice(slug, set_only=True)
        or pricebook.default_voice(slug, language)
        or defaults.voice(slug, set_only=False)
    )
