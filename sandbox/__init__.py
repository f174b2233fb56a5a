"""The sandbox: Lambda's and RunPod's wire formats over real SSH machines on loopback.

A separate program that imports nothing of Slipway and no Django. Demo, tests and chaos suite run
the real provider clients, the real SSH and the real training script against it; Slipway has no
branch for it. Start it with ``python -m sandbox``; it runs on Linux only (it reads /proc and binds
addresses all over 127/8).

Where things are:

- ``__main__``, ``options``, ``server``: the command line, its values, the HTTP server;
- ``wire``, ``wire_call``: what every API goes through;
- ``lambda_wire``, ``lambda_machine``, ``wire_instances``, ``wire_account``, ``launch_request``,
  ``instance_json``, ``errors``, ``auth``: Lambda's API;
- ``cloud``: what the account holds, and the life of a machine from launch to gone;
- ``file_systems``, ``firewall``, ``ssh_keys``, ``audit``: what the account holds beside machines;
- ``machines``, ``ssh_server``, ``relay``, ``shell``, ``sftp``, ``image``, ``user_data``,
  ``processes``: one machine;
- ``nvidia_smi``: the stub program on every machine;
- ``runpod``: RunPod's APIs and its pods (see its own list);
- ``catalogue``, ``ledger``: types, prices, capacity; what was billed;
- ``control``, ``faults``, ``fault_kinds``, ``fault_answers``, ``life_script``,
  ``request_log``: the endpoints under ``/_sandbox/``. What they do is told in docs/sandbox.md.

What separates two machines: address, host key, login keys, home, temporary folder, SFTP root. It is
no wall between their shells, which all run as the user who started the sandbox.
"""
