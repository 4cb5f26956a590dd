"""Creates the bucket of S3_BUCKET unless it exists."""

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from recordings import wiring
from recordings.errors import RecordingError


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: object, **options: object) -> None:
        try:
            wiring.bucket().ensure()
        except RecordingError as reason:
            raise CommandError(str(reason)) from reason
        self.stdout.write(f"Bucket {settings.S3_BUCKET} is there.")
