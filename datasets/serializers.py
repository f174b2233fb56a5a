"""How datasets look from outside (API.md section 3)."""

from typing import Any

from rest_framework import serializers

from datasets.findings import Severity
from datasets.models import Dataset


class FindingSerializer(serializers.Serializer[Any]):
    """One thing found in the data."""

    code = serializers.CharField(help_text="Stable, such as missing_key.")
    severity = serializers.ChoiceField(choices=[severity.value for severity in Severity])
    line = serializers.IntegerField(allow_null=True, help_text="Counts from 1.")
    field = serializers.CharField(allow_null=True)
    message = serializers.CharField()
    fix = serializers.CharField(help_text="What to do.")
    excerpt = serializers.CharField(allow_blank=True, help_text="At most 120 characters.")


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    """A dataset and what was found in it."""

    findings = FindingSerializer(many=True, read_only=True)
    finding_totals = serializers.DictField(
        child=serializers.IntegerField(), read_only=True, help_text="How often each code was found."
    )
    methods = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="The methods it can serve."
    )
    mapping = serializers.DictField(child=serializers.CharField(), read_only=True, allow_null=True)
    checked_share = serializers.FloatField(
        read_only=True,
        allow_null=True,
        help_text="How much of the file is read, 0 to 1; null unless status is checking.",
    )

    class Meta:
        model = Dataset
        fields = (
            "id",
            "name",
            "status",
            "checked_share",
            "format",
            "rows",
            "tokens",
            "sha256",
            "size_bytes",
            "mapping",
            "findings",
            "finding_totals",
            "methods",
            "created_at",
        )
        read_only_fields = fields


class UploadSerializer(serializers.Serializer[Any]):
    """The parts of an upload."""

    # An empty file is a finding like any other.
    file = serializers.FileField(
        allow_empty_file=True,
        help_text="JSON lines, a JSON array, CSV or Parquet, in UTF-8, packed with gzip or not.",
    )
    name = serializers.CharField(max_length=200)
    mapping = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=2000,
        help_text="JSON text that says which columns hold what, such as "
        '{"prompt": "question", "completion": "answer"}. Parts are those of any form: messages; '
        "conversations; prompt, completion; instruction, input, output; text; prompt, chosen, "
        "rejected; input, preferred_output, non_preferred_output.",
    )


class RowsSerializer(serializers.Serializer[Any]):
    """The first rows as they are trained on."""

    object = serializers.ChoiceField(choices=["list"])
    data = serializers.ListField(  # type: ignore[assignment]  # a field of the answer
        child=serializers.DictField()
    )
    has_more = serializers.BooleanField()


class FindingsSerializer(serializers.Serializer[Any]):
    """The listed findings; ``totals`` counts the unlisted ones too."""

    object = serializers.ChoiceField(choices=["list"])
    data = FindingSerializer(many=True)  # type: ignore[assignment]  # a field of the answer
    has_more = serializers.BooleanField()
    totals = serializers.DictField(child=serializers.IntegerField())
