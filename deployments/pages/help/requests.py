"""Codes of requests: what a form or a program asked for, and this server's own state."""

from deployments.pages.help.entry import GOES_ON, NO_MACHINE, NOTHING_CHANGED, REFUSES, Entry

ASKING = (
    Entry(
        "E_INVALID",
        "Something in the request is wrong",
        "A field has a value that cannot be used; the message names it and what would do.",
        NO_MACHINE,
        REFUSES,
        "Correct the field and send it again.",
    ),
    Entry(
        "E_NOT_FOUND",
        "There is nothing here",
        "The address is wrong, or what it named is not yours or no longer there. The three "
        "answer alike.",
        NOTHING_CHANGED,
        "It says nothing about other people's things.",
        "Go to your runs and find it from there.",
    ),
    Entry(
        "E_CONFLICT",
        "Not possible as things are now",
        "What you asked for does not fit the present state, which may just have changed.",
        NOTHING_CHANGED,
        REFUSES,
        "Load the page again; the message says what stands in the way.",
    ),
    Entry(
        "E_FORM_USED",
        "This form was used already",
        "The same form was sent before, with other values. A form starts one run.",
        "Nothing for this press. The run that was started first goes on.",
        "It never starts two runs from one form.",
        "Look over the settings and press Start again to start another run.",
    ),
    Entry(
        "E_NO_CHECKPOINT",
        "No checkpoint is home",
        "A run goes on from a checkpoint that was brought here whole. This run has none, or the "
        "one that was named stayed on its machine.",
        NO_MACHINE,
        REFUSES,
        "The run's Checkpoints page says which are home. Without one, train it again, or start a "
        "new run from its adapter.",
    ),
    Entry(
        "E_NOTHING_LEFT",
        "Nothing is left to train",
        "The checkpoint is already the end of the training that was asked for.",
        NO_MACHINE,
        REFUSES,
        "Give more steps (max_steps) or epochs (num_train_epochs), or start a new run from the "
        "adapter.",
    ),
    Entry(
        "E_RUN_LIVES",
        "The run is not over yet",
        "A run is trained on one machine at a time; this one still has its own, or its end is not "
        "proven.",
        NOTHING_CHANGED,
        "It never starts a second machine for the same run.",
        "Wait for its end, or stop it. A change of steps or epochs makes a run of its own.",
    ),
    Entry(
        "E_APP_URL",
        "This server's public address cannot be used",
        "APP_URL is an address that a rented machine cannot reach safely: this very machine, or "
        "one without https.",
        NO_MACHINE,
        "It rents nothing for it. Without APP_URL, SSH alone serves.",
        "The operator sets APP_URL to the public https address, or unsets it.",
    ),
    Entry(
        "E_PASSWORD_NEEDED",
        "Your password is asked for again",
        "Keys, tokens and limits are changed only shortly after a password was typed.",
        NOTHING_CHANGED,
        REFUSES,
        "Confirm your password in the settings, then do it again. Programs use an API token.",
    ),
)

PROGRAMS = (
    Entry(
        "E_UNAUTHENTICATED",
        "Nobody is signed in",
        "The request carries no session and no token.",
        NOTHING_CHANGED,
        REFUSES,
        "Sign in, or send a token: Authorization: Bearer slw_...",
    ),
    Entry(
        "E_TOKEN",
        "The token is not good",
        "It is wrong, expired or revoked.",
        NOTHING_CHANGED,
        REFUSES,
        "Make a new token. A token is shown once, when it is made.",
    ),
    Entry(
        "E_SCOPE",
        "The token may not do this",
        "The token is good, but lacks the scope that this needs: read, deploy or admin.",
        NOTHING_CHANGED,
        REFUSES,
        "Make a token with the scope that the message names.",
    ),
    Entry(
        "E_FORBIDDEN",
        "This is not allowed",
        "You are known, but may not do this; or a form came without its own secret.",
        NOTHING_CHANGED,
        REFUSES,
        "Load the page again. If it stays, ask whoever runs this server.",
    ),
    Entry(
        "E_RATE_LIMITED",
        "Too many requests",
        "More requests came in a minute than this server answers one caller.",
        NOTHING_CHANGED,
        "It answers again from the next minute on. Runs are not slowed by it.",
        "Wait as long as the answer says (Retry-After), and ask less often.",
    ),
    Entry(
        "E_REQUEST_ID_USED",
        "The Idempotency-Key was used for something else",
        "The same key came before with another body.",
        NOTHING_CHANGED,
        "It never guesses which of the two was meant.",
        "Use a new key for a new request.",
    ),
    Entry(
        "E_REQUEST_IN_PROGRESS",
        "The first request is still at work",
        "The same Idempotency-Key is being answered just now.",
        "Nothing more than the first request's own.",
        "It does the work once.",
        "Ask again in a few seconds; you then get the first answer.",
    ),
    Entry(
        "E_REQUEST_OUTCOME_UNKNOWN",
        "How the first request ended is not known",
        "This server stopped while it answered the same Idempotency-Key before.",
        "Perhaps that of the first request: look at your runs.",
        "It does not do it a second time by itself.",
        "Look whether it happened. If not, ask again with a new key.",
    ),
    Entry(
        "E_PARSE",
        "The request cannot be read",
        "The body is not valid JSON in UTF-8.",
        NOTHING_CHANGED,
        REFUSES,
        "Send valid JSON. The API pages show examples.",
    ),
    Entry(
        "E_METHOD",
        "This address does not take that method",
        "For example a POST where only GET is answered.",
        NOTHING_CHANGED,
        REFUSES,
        "The API pages list what each address takes.",
    ),
    Entry(
        "E_MEDIA_TYPE",
        "This kind of body is not taken",
        "The Content-Type is not one that this address reads.",
        NOTHING_CHANGED,
        REFUSES,
        "Send JSON, or a multipart form for files.",
    ),
    Entry(
        "E_NOT_ACCEPTABLE",
        "The answer cannot be given in that form",
        "The Accept header asks for something else than JSON.",
        NOTHING_CHANGED,
        REFUSES,
        "Accept application/json.",
    ),
    Entry(
        "E_RANGE",
        "The range lies behind the end",
        "A download asked for bytes that the file does not have.",
        NOTHING_CHANGED,
        REFUSES,
        "Download the file from its beginning.",
    ),
)

SERVER = (
    Entry(
        "E_DATABASE_AWAY",
        "The database does not answer",
        "This server's database is away or busy for a moment.",
        GOES_ON,
        "It starts nothing new, changes nothing, and goes on where it was once the database is "
        "back. Machines train on meanwhile.",
        "Try again shortly. If it lasts, the operator runs manage.py reap: it says what lives.",
    ),
    Entry(
        "E_INTERNAL",
        "Slipway itself failed",
        "Something happened that this program does not expect. It is in the log, under the "
        "request's id.",
        GOES_ON,
        "Runs are looked after by the worker, not by pages: they go on.",
        "Try again. If it happens twice, give the operator the time and the request's id.",
    ),
    Entry(
        "E_PROOF",
        "A proof run at a real cloud did not hold",
        "The command prove_cloud found a step that did not go as it must.",
        "At most what the command was allowed to spend; it names the sum.",
        "It ends its machine, proves it gone, and writes down what the cloud showed.",
        "Read the report it names.",
    ),
)
