"""Makes the bucket named in settings: the seam for tests. No other globals."""

from functools import lru_cache

from django.conf import settings

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
