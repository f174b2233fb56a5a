"""Codes of your keys, of the clouds' answers to them, and of stored data."""

from deployments.pages.help.entry import GOES_ON, NO_MACHINE, NOTHING_CHANGED, REFUSES, Entry

KEYS = (
    Entry(
        "E_AUTH",
        "The cloud refuses your key",
        "The cloud says that the key is wrong, expired, deleted, or may not do this.",
        GOES_ON,
        "It changes nothing on a refused list, counts on, and asks again for as long as it "
        "takes. A run that needs ending says so on every page.",
        "Replace the key in the vault with one of the same account: everything then goes on by "
        "itself. Or end the machine at the cloud's console.",
    ),
    Entry(
        "E_NO_KEY",
        "No key for this cloud",
        "Your vault holds no key for the cloud that was asked for.",
        NO_MACHINE,
        REFUSES,
        "Add the cloud's API key to the vault. The check reads your list of machines and rents "
        "nothing.",
    ),
    Entry(
        "E_KEY_REFUSED",
        "The new key was not taken",
        "The cloud refused the key that should take the old one's place.",
        NOTHING_CHANGED,
        "It keeps the old key.",
        "Copy the key again from the cloud's console, whole and without blanks.",
    ),
    Entry(
        "E_KEY_SEES_LESS",
        "The new key does not see your machines",
        "A key may be replaced only by one that lists every machine of ours that may live. This "
        "one does not, so it probably belongs to another account.",
        NOTHING_CHANGED,
        "It keeps the old key: a key that cannot see a machine cannot end it.",
        "Use a key of the same account, or wait until the machines are gone.",
    ),
    Entry(
        "E_KEY_CHANGED",
        "The key was changed meanwhile",
        "Another window or program replaced or deleted this key while you did.",
        NOTHING_CHANGED,
        REFUSES,
        "Look at your keys and try again.",
    ),
    Entry(
        "E_KEY_EXISTS",
        "There is a key for this already",
        "One key for each cloud is kept.",
        NOTHING_CHANGED,
        REFUSES,
        "Replace the key, or delete it first.",
    ),
    Entry(
        "E_KEY_IN_USE",
        "The key is still needed",
        "Machines that may live were rented with this key; without it nobody could end them.",
        NOTHING_CHANGED,
        "It keeps the key until every machine is proven gone.",
        "Cancel the runs it names and delete the key once they are over.",
    ),
    Entry(
        "E_KEY_DELETED",
        "The key was deleted",
        "Something needs a key that is no longer in the vault.",
        GOES_ON,
        "It goes on trying, and says on every page what it cannot reach.",
        "Add a key of the same account.",
    ),
    Entry(
        "E_SECRET_UNREADABLE",
        "A sealed key does not open",
        "The encryption key of this server does not fit what is stored, or the row was changed.",
        GOES_ON,
        "It calls no cloud with a value it could not open, and asks for attention.",
        "The operator puts the right FIELD_ENCRYPTION_KEY back (the newest first, older ones "
        "after it). Or replace the key in the vault.",
    ),
)

CLOUDS = (
    Entry(
        "E_PROVIDER_UNREACHABLE",
        "The cloud does not answer",
        "No answer, a failure at the cloud, or an answer that cannot be read. It says nothing "
        "about your machines.",
        GOES_ON,
        "It changes no state because of it, says when it last heard anything, and asks on.",
        "Wait; the cloud's status page may know more.",
    ),
    Entry(
        "E_RATE_LIMITED_BY_PROVIDER",
        "The cloud says we ask too often",
        "Other programs with the same account may use up what the cloud allows.",
        GOES_ON,
        "It waits as long as the cloud asks, and lets ending machines go first.",
        "See what else uses this account's key.",
    ),
    Entry(
        "E_PROVIDER_BUSY",
        "Slipway's own pace has no room now",
        "All requests under one key share a pace below the cloud's limit; many wait just now.",
        NOTHING_CHANGED,
        "It lets ending machines go first, then lists, then everything else.",
        "Try again in a few seconds.",
    ),
)

STORED = (
    Entry(
        "E_DATASET_IN_USE",
        "The data is still needed",
        "A run that is not over trains on this data.",
        NOTHING_CHANGED,
        REFUSES,
        "Wait until those runs are over, or cancel them.",
    ),
    Entry(
        "E_DATASET_LOST",
        "The data's file is gone",
        "The file is no longer in this server's data folder.",
        NO_MACHINE,
        REFUSES,
        "Upload it again, or ask the operator to put the data folder back.",
    ),
    Entry(
        "E_ARTIFACT_MISSING",
        "The adapter's file is gone",
        "The adapter was brought home and checked, but its file is no longer in the data folder.",
        "Nothing new; what the run cost stays what it was.",
        "It answers nothing else in its place.",
        "Ask the operator to put the file back from a backup of the data folder.",
    ),
    Entry(
        "E_HUB_TOKEN",
        "The Hub does not take your token",
        "A push to the Hugging Face Hub was refused at once: the token is wrong, was revoked, or "
        "is no longer in the vault.",
        "Nothing new; what the run cost stays what it was.",
        "It keeps everything at home and sends nothing more.",
        "Put a token that may write into the vault, then push again.",
    ),
    Entry(
        "E_HUB_REFUSED",
        "The Hub refused the push",
        "The Hub answered that this may not be done; its own words are beside the push.",
        "Nothing new; what the run cost stays what it was.",
        "It keeps everything at home. What was sent already stays on the Hub.",
        "Choose a repository that your token may write to, or a token that may, then push again.",
    ),
    Entry(
        "E_HUB_UNREACHABLE",
        "The Hub did not answer well",
        "A push met a network error or a fault of the Hub.",
        "Nothing new; what the run cost stays what it was.",
        "It tries five times, with longer and longer pauses; only what is missing is sent.",
        "Wait, or push again later.",
    ),
    Entry(
        "E_DOWNLOAD_TOKEN",
        "The download address is not valid",
        "It is wrong, was used for something else, expired after two hours, or was revoked. "
        "All of these answer alike.",
        NOTHING_CHANGED,
        "A machine asks for a fresh address by itself and goes on where it was.",
        "Nothing, for machines. People download from the pages.",
    ),
    Entry(
        "E_TOO_LARGE",
        "Too large",
        "The file or request has more bytes than this server takes.",
        NOTHING_CHANGED,
        REFUSES,
        "Cut the file, or ask the operator to raise DATASET_SIZE_LIMIT_BYTES.",
    ),
)
