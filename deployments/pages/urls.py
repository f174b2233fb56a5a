"""The addresses of the pages. Nobody else's objects are ever found under them (I18)."""

from django.urls import include, path

from deployments.pages import (
    account,
    confirm,
    data,
    data_columns,
    machines,
    notifications,
    own_machine,
    runs,
    vault,
)
from deployments.pages.help import views as help_pages
from deployments.pages.wizard import data as wizard_data
from deployments.pages.wizard import drafts_list, hardware, method, model, review, training

app_name = "deployments"

urlpatterns = [
    path("", runs.runs, name="runs"),
    path("runs/rows/", runs.rows, name="run-rows"),
    path("burn/", runs.burn, name="burn"),
    path("help/", help_pages.index, name="help-index"),
    path("help/<str:name>/", help_pages.article, name="help"),
    path("machines/", machines.machines, name="machines"),
    path("machines/rows/", machines.rows, name="machine-rows"),
    path("machines/look/", machines.look, name="machines-look"),
    path("new/", drafts_list.new, name="new-run"),
    path("new/<uuid:nonce>/", review.being_started, name="being-started"),
    path("new/<uuid:draft_id>/resume/", drafts_list.resume, name="draft"),
    path("new/<uuid:draft_id>/delete/", drafts_list.delete, name="draft-delete"),
    path("new/<uuid:draft_id>/data/", wizard_data.step, name="wizard-data"),
    path("new/<uuid:draft_id>/data/upload/", wizard_data.upload, name="wizard-upload"),
    path("new/<uuid:draft_id>/data/sample/", wizard_data.take_sample, name="wizard-sample"),
    path("new/<uuid:draft_id>/data/repeats/", wizard_data.drop_repeats, name="wizard-repeats"),
    path("new/<uuid:draft_id>/method/", method.step, name="wizard-method"),
    path("new/<uuid:draft_id>/model/", model.step, name="wizard-model"),
    path("new/<uuid:draft_id>/training/", training.step, name="wizard-training"),
    path("new/<uuid:draft_id>/hardware/", hardware.step, name="wizard-hardware"),
    path("new/<uuid:draft_id>/review/", review.step, name="wizard-review"),
    path("new/<uuid:draft_id>/files/<str:file_name>", review.file, name="wizard-file"),
    path("new/<uuid:draft_id>/bundle.tar.gz", review.archive, name="wizard-bundle"),
    path("jobs/<uuid:job_id>/", include("deployments.pages.job.urls")),
    path("datasets/", data.datasets, name="datasets"),
    path("datasets/upload/", data.upload, name="dataset-upload"),
    path("datasets/sample/", data.take_sample, name="dataset-sample"),
    path("datasets/<uuid:dataset_id>/", data.dataset, name="dataset"),
    path("datasets/<uuid:dataset_id>/findings.csv", data.findings_csv, name="findings-csv"),
    path("datasets/<uuid:dataset_id>/columns/", data_columns.name_columns, name="dataset-columns"),
    path("datasets/<uuid:dataset_id>/delete/", data.delete, name="dataset-delete"),
    path("settings/<uuid:config_id>/forget/", data.forget_config, name="forget-config"),
    path("settings/", account.settings, name="settings"),
    path("settings/confirm/", confirm.confirm, name="confirm"),
    path("settings/password/", account.password, name="password"),
    path("settings/tokens/new/", account.new_token, name="new-token"),
    path("settings/tokens/<uuid:token_id>/revoke/", account.revoke_token, name="revoke-token"),
    path("settings/sessions/end/", account.end_other_sessions, name="end-other-sessions"),
    path("settings/sessions/<uuid:session_id>/end/", account.end_session, name="end-session"),
    path("settings/mail/", notifications.mail_choice, name="mail"),
    path("settings/mail/test/", notifications.test_mail, name="mail-test"),
    path("settings/webhooks/new/", notifications.new_webhook, name="new-webhook"),
    path("settings/webhooks/<uuid:webhook_id>/", include("deployments.pages.webhook_urls")),
    path("vault/", vault.vault, name="vault"),
    path("vault/add/", vault.add, name="vault-add"),
    path("vault/machine/", own_machine.add, name="own-machine"),
    path("vault/<uuid:entry_id>/machine/", own_machine.replace, name="own-machine-replace"),
    path("vault/<uuid:entry_id>/check/", vault.check, name="vault-check"),
    path("vault/<uuid:entry_id>/replace/", vault.replace, name="vault-replace"),
    path("vault/<uuid:entry_id>/delete/", vault.delete, name="vault-delete"),
]
