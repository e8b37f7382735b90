"""What kwok does with the nodes and pods of tests: everything is ready at once, Jobs are done at once, what is deleted
goes at once.
"""

from pathlib import Path

_STAGES = """\
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: node-ready}
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  selector:
    matchExpressions: [{key: .status.phase, operator: DoesNotExist}]
  next:
    statusTemplate: |
      phase: Running
      conditions: [{type: Ready, status: "True", reason: Fake, message: "", lastHeartbeatTime: {{ Now | Quote }}}]
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-runs}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
      - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
      - {key: .status.startTime, operator: DoesNotExist}
  next:
    statusTemplate: |
      {{ $now := Now }}
      {{ $once := ne .spec.restartPolicy "Always" }}
      startTime: {{ $now | Quote }}
      podIP: 10.1.2.3
      phase: {{ if $once }}Succeeded{{ else }}Running{{ end }}
      conditions:
      {{ if not $once }}
      - {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
      - {type: ContainersReady, status: "True", lastTransitionTime: {{ $now | Quote }}}
      {{ end }}
      - {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        imageID: ""
        restartCount: 0
        ready: {{ not $once }}
        {{ if $once }}
        state: {terminated: {exitCode: 0, reason: Completed, finishedAt: {{ $now | Quote }}}}
        {{ else }}
        state: {running: {startedAt: {{ $now | Quote }}}}
        {{ end }}
      {{ end }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-goes}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions: [{key: .metadata.deletionTimestamp, operator: Exists}]
  next:
    delete: true
"""


def write_stages(folder: Path) -> Path:
    """The stages as a file, for kwok's `--config`."""
    file = folder / "stages.yaml"
    file.write_text(_STAGES)
    return file
