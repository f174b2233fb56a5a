"""Codes of machines: renting, booting, reaching, losing and ending them."""

from deployments.pages.help.entry import (
    ENDS_AND_KEEPS,
    GOES_ON,
    NO_MACHINE,
    NOTHING_CHANGED,
    REFUSES,
    TRIES_A_FRESH_ONE,
    UNTIL_GONE,
    Entry,
)

RENTS_NOTHING = "It rents nothing that it could not log in to."

RENTING = (
    Entry(
        "E_CAPACITY",
        "No machine was free",
        "The cloud had none of the allowed GPU types free in the allowed regions for as long as "
        "you were ready to wait.",
        NO_MACHINE,
        "It asks again every minute, over every type and region you allow, until your wait is "
        "over. Then the run ends without having cost anything.",
        "Duplicate the run and allow more types or regions, a higher price an hour, or a longer "
        "wait.",
    ),
    Entry(
        "E_LAUNCH_UNCLEAR",
        "The cloud gave no clear answer to a launch",
        "A launch was asked for and no clear answer came. Slipway looked for the machine's unique "
        "name in the account's list for two minutes, and it never showed.",
        "Nothing that we know of. The name stays watched for a day: a machine that shows up late "
        "is ended at once.",
        "It never repeats a launch that may have worked. It tries again under a new name only "
        "once several good lists have not shown the old one.",
        "Look at the cloud's status page, then start the run again.",
    ),
    Entry(
        "E_QUOTA",
        "The account's limit is reached",
        "The cloud allows your account no more machines, or no more of this kind.",
        NO_MACHINE,
        "It ends the run: asking again would be refused again.",
        "End machines you do not need (Machines shows those that are not ours, too), or ask the "
        "cloud for a higher limit.",
    ),
    Entry(
        "E_ACCOUNT",
        "The cloud wants something of your account first",
        "The account is not active, or lacks a valid address or payment at the cloud.",
        NO_MACHINE,
        "It ends the run: asking again would be refused again.",
        "Sign in at the cloud's console and put in order what it names, then start again.",
    ),
    Entry(
        "E_PROVIDER",
        "The cloud said no",
        "The cloud understood the request and refused it for a reason of its own; the message "
        "carries its words.",
        NO_MACHINE,
        "It takes a refusal as final for this machine type and goes on to the next allowed one, "
        "if there is any.",
        "Read the cloud's words in the message. Another GPU type or region often works.",
    ),
)

REACHING = (
    Entry(
        "E_BOOT_TIMEOUT",
        "The machine did not start in time",
        "It was rented, but was not usable within 20 minutes (35 with eight GPUs).",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "Start the run again. If it happens twice, choose another region or GPU type.",
    ),
    Entry(
        "E_SSH_UNREACHABLE",
        "SSH does not answer",
        "The cloud says the machine is active, but nothing answers on its SSH port.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "See that the account's firewall at the cloud lets TCP port 22 in, and that this server "
        "may go out to it. The operator can run manage.py doctor.",
    ),
    Entry(
        "E_SSH_AUTH",
        "The machine refuses our SSH key",
        "The machine answers, but does not let us in: its first start did not take our key over.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "If it happens every time, the operator checks the user name that the image logs in with: "
        "the cloud's setting that ends in _SSH_USER.",
    ),
    Entry(
        "E_HOSTKEY",
        "The machine showed another host key",
        "Slipway gives each machine its SSH host key, or reads it in the machine's own log, and "
        "accepts no other. This one showed another, or its log tells none: either the image makes "
        "keys of its own, or somebody stands in between.",
        UNTIL_GONE,
        "It sends nothing, ends the machine, and tries no second one on an image that never "
        "took a key over.",
        "If your image is known to do that, the operator sets the cloud's setting that ends in "
        "_HOST_KEY to first_contact. Otherwise treat it as an attack and ask the cloud. If it "
        "is your own machine and you have installed it anew, change it in the vault and confirm "
        "its new key.",
    ),
    Entry(
        "E_HOSTKEY_UNCONFIRMED",
        "Your machine's host key is not confirmed yet",
        "A machine of your own is known by its SSH host key. Slipway has asked for it and shows "
        "its fingerprint; only you can say whether that is your machine.",
        NOTHING_CHANGED,
        "It keeps nothing and logs in nowhere before you have said so.",
        "On the machine, let ssh-keygen -lf print the fingerprint of its key and compare. If both "
        "are the same, confirm it; through the API, give it as host_key.",
    ),
    Entry(
        "E_HOST_ADDRESS",
        "The address is none of a machine of yours",
        "The name or address is not public, and in none of the networks that the operator allows.",
        NOTHING_CHANGED,
        REFUSES,
        "Give a public address of your machine, or ask the operator to add its network to "
        "SSH_NETWORKS.",
    ),
    Entry(
        "E_REMOTE",
        "A command on the machine failed",
        "The machine could be reached but did not do what was asked over SSH.",
        GOES_ON,
        "It looks again at the next tick; most of these pass. If none does, the limit of the "
        "step ends the machine.",
        "Nothing, unless it lasts: then read the run's log, and duplicate the run.",
    ),
    Entry(
        "E_REMOTE_FILE",
        "A file on the machine could not be written or read",
        "A file did not arrive whole, or could not be read. A full disk is the usual reason.",
        GOES_ON,
        "It tries again; half a file never takes the place of a whole one.",
        "If it lasts, choose a machine with a larger disk or a smaller base model.",
    ),
    Entry(
        "E_REMOTE_FILE_MISSING",
        "A file is not on the machine",
        "Something that should be there is not, or is a link instead of a file. Links are never "
        "followed.",
        GOES_ON,
        "It looks again. What stays missing when training ended is not called saved.",
        "Read the end of the run's log.",
    ),
    Entry(
        "E_CHECKSUM",
        "A file arrived changed",
        "What came over does not have the sha256 it was sent with.",
        GOES_ON,
        "It throws the copy away and transfers it again. Nothing is called saved before the "
        "checksum fits.",
        "Nothing, unless it lasts: then the network or a disk is at fault.",
    ),
    Entry(
        "E_AGENT_START",
        "The agent on the machine did not start",
        "Slipway's small program on the machine could not be started.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "Read the run's log. Images without Python 3.10 or newer cannot be used.",
    ),
    Entry(
        "E_LOGIN_KEY",
        "This server's SSH key cannot be used",
        "The key of LAMBDA_SSH_KEY_PATH cannot be read, or is of a kind that is not taken.",
        NO_MACHINE,
        RENTS_NOTHING,
        "The operator gives an ed25519 key without a passphrase, as ssh-keygen -t ed25519 makes "
        "it, or leaves the setting empty: then Slipway makes its own.",
    ),
    Entry(
        "E_SSH_KEY",
        "No such SSH key at the cloud",
        "The run names a key of yours to be let in besides ours, and the account has none of "
        "that name.",
        NO_MACHINE,
        RENTS_NOTHING,
        "Add the key under that name at the cloud, or leave the field empty.",
    ),
)

ENDING = (
    Entry(
        "E_CANNOT_END",
        "A machine does not end",
        "Slipway asked the cloud to end a machine, and the account's list still shows it.",
        "It bills until it is gone. The run's page and Machines count on.",
        "It asks again and again, without a limit, and calls nothing gone before two lists show "
        "it. The second guard asks too, on a path of its own.",
        "To stop the bill now, end the machine at the cloud's console; its name and id stand on "
        "the run's page. Slipway notices by itself.",
    ),
    Entry(
        "E_STRAY_MACHINE",
        "The cloud started more than was asked for",
        "A machine with our name appeared that no run wants: a late answer, or a second one "
        "under one name.",
        "What that machine costs until it is proven gone, from the launch that it came from. It is "
        "part of your run's cost and counts in its budget; of a run that is over, the final cost "
        "is corrected, and its page says so.",
        "It ends the stray at once and proves it gone. Machines without our name are never "
        "touched.",
        "Nothing. It goes away by itself; Machines shows how far it is.",
    ),
    Entry(
        "E_WRONG_MACHINE",
        "The cloud started another machine than was asked for",
        "The account's list shows the machine as another type, or in another region, than the run "
        "asked for.",
        f"{UNTIL_GONE} A dearer type counts at its own price.",
        TRIES_A_FRESH_ONE,
        "Nothing, if the second one is right. Else choose another GPU type or region.",
    ),
    Entry(
        "E_PRICE_CHANGED",
        "The cloud's price has changed",
        "The cloud now lists another price for this kind of machine than when yours was rented.",
        "Slipway goes on counting at the price of the launch. Whether the cloud charges the new "
        "one, only its own bill tells.",
        "It says so while the machine lives, and changes nothing.",
        "Compare with the cloud's bill; cancel the run if the new price is too much.",
    ),
    Entry(
        "E_MACHINE_LOST",
        "The machine disappeared",
        "Two lists of the account no longer show the machine, and we had not asked to end it.",
        "Its time until it was last seen, rounded up as the cloud bills.",
        TRIES_A_FRESH_ONE,
        "Look at the cloud's console whether somebody ended it by hand. If not, and it happens "
        "twice, choose another region.",
    ),
    Entry(
        "E_MACHINE_UNHEALTHY",
        "The cloud calls the machine unhealthy",
        "The cloud itself reports the machine as bad, or took it away.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "Nothing, if the second one works. Else choose another region.",
    ),
    Entry(
        "E_MACHINE_REBOOTED",
        "The machine was rebooted",
        "The machine started anew while the run was on it, so that training was cut off.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "Start the run again; if it happens twice, choose another region.",
    ),
    Entry(
        "E_MACHINE_STOPPING",
        "The machine is being shut down",
        "The machine told that it is being stopped from outside while it trained.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "See whether somebody stops it at the cloud; else start the run again.",
    ),
    Entry(
        "E_SILENT",
        "No sign of life",
        "For ten minutes in which we looked, and the cloud still listed the machine, neither its "
        "run log nor SSH told anything.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "Start the run again. Times in which this server slept do not count against a machine.",
    ),
    Entry(
        "E_COLLECT",
        "The adapter did not come home in time",
        "Training ended, but copying the adapter took longer than what was kept back of the "
        "budget.",
        UNTIL_GONE,
        ENDS_AND_KEEPS,
        "Raise the budget, so that more is kept back, or see to the network, then start again.",
    ),
)
