"""RunPod's wires: REST v2 under /v2 and GraphQL at /graphql, over one store of pods.

- ``catalogue``: GPU types, data centres, prices, free GPUs;
- ``pod``, ``image``, ``pod_log``: one pod, what its image holds, what it printed;
- ``scheduler``: what every create, start and terminate goes through, whichever wire it came by;
- ``refusals``: why it refuses;
- ``rest_wire``, ``rest_pods``, ``rest_catalogue``, ``rest_account``, ``create_body``, ``pod_json``,
  ``log_stream``, ``problems``, ``quota``: REST v2;
- ``graphql_wire``, ``graphql_schema``, ``graphql_root``, ``graphql_pods``: GraphQL.

Facts are those of runpod-api.md; where it leaves something open, docs/sandbox.md says what was
chosen.
"""
