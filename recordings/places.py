"""Where a store is and how it is opened, as a value. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    name: str
    endpoint: str
    public_endpoint: str
    region: str
    bucket: str
    path_style: bool
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    role_arn: str = ""
    encryption: str = ""
    kms_key: str = ""
