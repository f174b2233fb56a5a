"""Codes of training: limits, memory, data, the base model, and the machine's own checks."""

from deployments.pages.help.entry import (
    ENDS_AND_KEEPS,
    TRIES_A_FRESH_ONE,
    UNTIL_GONE,
    Entry,
)

LIMITS = (
    Entry(
        "E_BUDGET",
        "The budget is used up",
        "What the run has cost, and what a safe landing would cost on top, reached the budget.",
        "Never more than the budget and the minutes of a landing. The end card names the sum.",
        "It stops training while there is still money to save, brings the adapter of the last "
        "step home, ends the machine and proves it gone.",
        "Duplicate the run with a larger budget, fewer steps, or a cheaper GPU.",
    ),
    Entry(
        "E_MAX_HOURS",
        "The time limit is reached",
        "The run took as long as you allowed it to.",
        UNTIL_GONE,
        "It lands the run as at the end of the budget: save, bring home, end, prove.",
        "Duplicate the run with more hours or fewer steps.",
    ),
    Entry(
        "E_CONTROL_SILENT",
        "The machine stopped, because nobody looked after it",
        "For half an hour (CONTROL_SILENCE_LIMIT_SECONDS) the machine saw no sign of this server: "
        "no look over SSH, and nothing it sent was accepted.",
        "The machine bills until it is ended: only this server, or `reap` on another host, can "
        "end it at most clouds.",
        "The machine stops training, saves, and waits. When this server is back it brings the "
        "adapter home, ends the machine and proves it gone.",
        "Find out why server or worker were away, and let `reap` run on a second host. Then "
        "start the run again.",
    ),
    Entry(
        "E_PREPARE_TIMEOUT",
        "Preparing took too long",
        "Packages, data and base model were not in place within an hour.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "The log names the step that was slow. A region nearer to the Hub, or a smaller base "
        "model, helps.",
    ),
)

RUNNING = (
    Entry(
        "E_OOM",
        "The GPU ran out of memory",
        "Model, adapter and one batch of your longest rows together need more than the card has.",
        UNTIL_GONE,
        ENDS_AND_KEEPS,
        "Halve the batch size and double the gradient accumulation (the result is the same), "
        "lower the maximum length, or choose a larger card or a smaller model. The run's page "
        "names your own numbers.",
    ),
    Entry(
        "E_NAN",
        "The loss is no longer a number",
        "The loss became infinite or undefined three times in a row: training has diverged.",
        UNTIL_GONE,
        "It stops, keeps the last good checkpoint if there is one, and ends the machine.",
        "Divide the learning rate by ten, warm up for longer, and look at the last rows that "
        "were trained on.",
    ),
    Entry(
        "E_CHECKPOINT",
        "The checkpoint or adapter to go on with is not whole",
        "The run was to go on from a checkpoint or to start from an adapter, and a file of it is "
        "missing or is not what was saved: on the machine, or at home.",
        UNTIL_GONE,
        "On the machine: it tries once more on a fresh one. At home: it refuses, or ends the "
        "machine; it never begins from nothing instead.",
        "Go on from another checkpoint of the run, or train it anew.",
    ),
    Entry(
        "E_TRAINING",
        "Training ended with an error",
        "The training program stopped with an error that has no code of its own.",
        UNTIL_GONE,
        ENDS_AND_KEEPS,
        "The end of the log says why. If the data is the reason, Datasets shows the row.",
    ),
    Entry(
        "E_HOST_OOM",
        "The machine ran out of memory",
        "The machine's main memory (not the GPU's) ran out, and its kernel ended the training "
        "process. The message carries the kernel's words where it may be read.",
        UNTIL_GONE,
        ENDS_AND_KEEPS,
        "Choose a machine with more memory, or a smaller base model or data set.",
    ),
    Entry(
        "E_KILLED",
        "The training process was killed",
        "Something on the machine ended the process by a signal, and neither Slipway nor a lack "
        "of memory was the reason.",
        UNTIL_GONE,
        ENDS_AND_KEEPS,
        "Start the run again. If it happens twice, somebody or something on that image ends it.",
    ),
    Entry(
        "E_CRASH",
        "The training program crashed",
        "The program failed below Python (a segmentation fault, an abort), as it does when "
        "compiled packages and the card do not go together.",
        UNTIL_GONE,
        ENDS_AND_KEEPS,
        "The end of the log shows where it was. Start the run again, on another GPU type if it "
        "happens twice.",
    ),
    Entry(
        "E_STALLED",
        "Training stood still",
        "The machine was alive, but the step did not move for half an hour and forty times as "
        "long as a step usually takes (an hour before the first step).",
        UNTIL_GONE,
        "It warns at half that time. Then it asks the program to save, ends it, keeps the newest "
        "whole checkpoint as the adapter, and ends the machine.",
        "The end of the log shows where the program was. Start the run again.",
    ),
    Entry(
        "E_CUDA",
        "The GPU or its driver failed",
        "The card or its driver reported an error that is not the program's own.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "Start the run again; if it happens twice, choose another region or GPU type.",
    ),
    Entry(
        "E_XID",
        "The GPU reported a fault of its own",
        "The machine's kernel wrote down a hardware fault of the card, its memory or its links "
        "(an Xid message of the NVIDIA driver) while training ran.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "Tell the cloud: the message has the kernel's line. Choose another region if it happens "
        "twice.",
    ),
    Entry(
        "E_NCCL",
        "The GPUs lost contact with each other",
        "The library through which GPUs exchange their results reported a failure or a timeout.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "Start the run again; if it happens twice, choose another region or GPU type.",
    ),
    Entry(
        "E_CUDA_KERNEL",
        "A calculation on the GPU was not valid",
        "The program asked the card for something it cannot do, such as a token id beyond the "
        "vocabulary, or packages that do not know this card. Another machine would do the same.",
        UNTIL_GONE,
        ENDS_AND_KEEPS,
        "Look at the rows trained on last. Choose another GPU type if the card is very new or "
        "very old.",
    ),
    Entry(
        "E_AGENT",
        "The agent failed",
        "Slipway's own small program on the machine met an error it did not expect.",
        UNTIL_GONE,
        ENDS_AND_KEEPS,
        "Start the run again. If it happens twice, show the log to whoever runs this server.",
    ),
    Entry(
        "E_NO_ADAPTER",
        "No usable adapter",
        "Training ended, but the adapter's files are missing, empty or damaged.",
        UNTIL_GONE,
        "It keeps log and metrics, and calls nothing saved that is not.",
        "The end of the log says why.",
    ),
)

PREPARING = (
    Entry(
        "E_NO_GPU",
        "No usable GPU",
        "The machine came up, but its GPU could not be used. This happens at every cloud.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "Nothing, if the second one works. Else choose another region or GPU type.",
    ),
    Entry(
        "E_WRONG_GPU",
        "Another GPU than was paid for",
        "The machine has fewer cards, less memory or another processor than the cloud sold.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "Start the run again, and tell the cloud if it happens twice.",
    ),
    Entry(
        "E_INSTALL",
        "Packages could not be installed",
        "The Python packages of the trainer did not install; the message carries the last lines.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "Start the run again later. If it lasts, whoever runs this server looks at the package "
        "sources.",
    ),
    Entry(
        "E_DISK",
        "The machine's disk is full",
        "Base model, data and checkpoints need more room than the machine has.",
        UNTIL_GONE,
        ENDS_AND_KEEPS,
        "Choose a machine with a larger disk, a smaller base model, or fewer checkpoints.",
    ),
    Entry(
        "E_HF_ACCESS",
        "The Hub refused the base model",
        "The model does not exist under that name, or one must accept its terms first.",
        UNTIL_GONE,
        ENDS_AND_KEEPS,
        "Check the name. Accept the model's terms on its page and put a Hugging Face token of that "
        "account into the vault, or choose a model that needs no consent.",
    ),
    Entry(
        "E_HF_UNREACHABLE",
        "The Hub could not be reached",
        "The machine could not download the base model, in several tries.",
        UNTIL_GONE,
        TRIES_A_FRESH_ONE,
        "Start the run again later.",
    ),
    Entry(
        "E_CONFIG",
        "The training settings cannot be used",
        "The trainer refused a setting, or two that do not go together.",
        UNTIL_GONE,
        ENDS_AND_KEEPS,
        "The message names the setting. Correct it and start again.",
    ),
    Entry(
        "E_DATA",
        "The data cannot be used",
        "A row does not have the form that the method needs.",
        "Nothing when it is found at upload. On a machine, its time until it is gone.",
        "It checks data when you upload it, line by line, so that this is rare on a machine.",
        "Datasets shows every finding with its line and what to do about it.",
    ),
    Entry(
        "E_DATA_CHANGED",
        "The data on the machine is not what was checked",
        "The file on the machine does not have the sha256 of the data you chose.",
        UNTIL_GONE,
        "It never trains on other bytes than those it shows you.",
        "Start the run again. If it happens twice, something on the way changes files.",
    ),
)
