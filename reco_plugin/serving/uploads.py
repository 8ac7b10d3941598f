"""A photo as it comes in: in memory only, never more of it than allowed, and no other file with it."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest

from reco_plugin import conf

FIELD = "photo"
ROOM = 64 * 2**10
"""Bytes of a form beside its photo."""


class PhotoInMemory(FileUploadHandler):
    """Takes the first file called FIELD up to `most` bytes; whatever else is sent is passed over."""

    def __init__(self, most: int, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self.is_too_large = False
        self._most = most
        self._held: io.BytesIO | None = None

    def new_file(self, *args: Any, **named: Any) -> None:
        """Only one is wanted."""
        super().new_file(*args, **named)
        if self.field_name != FIELD or self._held is not None:
            raise SkipFile
        self._held = io.BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Keep it, unless it is one too many."""
        assert self._held is not None
        if start + len(raw_data) > self._most:
            self.is_too_large = True
            self._held = io.BytesIO()
            raise SkipFile
        self._held.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile | None:
        """Whole."""
        if self._held is None or self.is_too_large or self.field_name != FIELD:
            return None
        self._held.seek(0)
        return InMemoryUploadedFile(
            file=self._held,
            field_name=FIELD,
            name=self.file_name or FIELD,
            content_type=self.content_type or "",
            size=file_size,
            charset=self.charset,
        )


def expect(request: HttpRequest) -> PhotoInMemory | None:
    """Before anything reads the request: the one who will receive its photo; None where it says itself that
    it is too large, and should not be read at all."""
    most = conf.settings.PHOTO_MAX_BYTES
    with contextlib.suppress(ValueError):
        if int(request.META.get("CONTENT_LENGTH") or 0) > most + ROOM:
            return None
    handler = PhotoInMemory(most, request)
    with contextlib.suppress(AttributeError):  # somebody has read it already
        request.upload_handlers = [handler]
    return handler


def photo_of(request: HttpRequest) -> bytes | None:
    """What was sent; None where nothing was."""
    file = request.FILES.get(FIELD)
    return file.read() if file is not None else None
