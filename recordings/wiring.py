"""Makes the bucket named in settings: the seam for tests. No other globals."""

from functools import lru_cache

from django.conf import settings

from recordings.places import Place
from recordings.storage import Bucket, S3Bucket


@lru_cache(maxsize=1)
def bucket() -> Bucket:
    return S3Bucket(
        endpoint=settings.S3_ENDPOINT,
        public_endpoint=settings.S3_PUBLIC_ENDPOINT,
        bucket=settings.S3_BUCKET,
        region=settings.S3_REGION,
        access_key=settings.S3_ACCESS_KEY,
        secret_key=settings.S3_SECRET_KEY,
    )


@lru_cache(maxsize=64)
def bucket_at(place: Place) -> Bucket:
    """The bucket of a store's row; one client for each state of a row."""
    return S3Bucket(
        endpoint=place.endpoint,
        public_endpoint=place.public_endpoint or place.endpoint,
        bucket=place.bucket,
        region=place.region,
        access_key=place.access_key,
        secret_key=place.secret_key,
        path_style=place.path_style,
        role_arn=place.role_arn,
        encryption=place.encryption,
        kms_key=place.kms_key,
        named=f"the store “{place.name}”",
    )
