"""The card joins the adapter at home at the end of its run, when the cost is final.

It is a file of ours beside those that the machine listed: their bytes stay as they were checked
(I11); the archive that is handed out is packed again with it, and the row names the new one.
"""

import hashlib

from django.conf import settings
from django.db import transaction

from core.database import retried
from core.files import keep, sha256_of
from core.time import database_now
from deployments.archives import artifact_folder, pack
from deployments.exports.facts import card_facts
from deployments.exports.model_card import ADAPTER, FILE_NAME, card
from deployments.models import Artifact

CARD = f"{ADAPTER}/{FILE_NAME}"


def add_card(artifact: Artifact) -> None:
    """Write the card of an adapter at home whose machines are all paid; repeat at will.

    Raises: OSError where the disk does not take it, or the adapter's files are gone.
    """
    folder = artifact_folder(artifact.machine)
    text = card(card_facts(artifact, now=database_now())).encode()
    path = folder / CARD
    part = path.with_name(f"{FILE_NAME}.part")
    part.write_bytes(text)
    keep(part, path)
    own = {"name": CARD, "size": len(text), "sha256": hashlib.sha256(text).hexdigest()}
    files = [*(file for file in artifact.files if file["name"] != CARD), own]

    packed = pack(folder, files, name=f"{artifact.name}.with-card")
    changes = {
        "size_bytes": packed.stat().st_size,
        "sha256": sha256_of(packed),
        "files": files,
        "card_due": False,
    }

    def put_in_place() -> None:
        with transaction.atomic():
            # The file and its row change together, but for a crash in between: then this is done
            # again, with the same bytes.
            Artifact.objects.filter(pk=artifact.pk).update(**changes)
            if packed.exists():
                keep(packed, settings.SLIPWAY_DATA_DIR / artifact.path)

    retried(put_in_place)
