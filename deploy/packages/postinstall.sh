#!/bin/sh
# Makes the virtual environment /opt/jobqueue from the wheels of the package, without the network. Services that run are
# restarted; none is started or enabled: the settings in /etc/jobqueue/jobqueue.env come first.
set -e
case "$1" in abort-*) exit 0 ;; esac

python=python3
for candidate in /usr/share/jobqueue/wheels/python-*; do
  version=${candidate##*/python-}
  # rpm removes the previous package's wheels only later; on a downgrade they are newer, and must not be chosen
  release=$(cat "$candidate")
  if command -v "python$version" >/dev/null; then python=python$version; fi
done
# an old environment stays usable until the new one is complete
rm -rf /opt/jobqueue.new
"$python" -m venv /opt/jobqueue.new
/opt/jobqueue.new/bin/pip --disable-pip-version-check --quiet install --no-index \
  --find-links /usr/share/jobqueue/wheels "jobqueue[all]==$release"
# the scripts in bin name the folder of their environment
/opt/jobqueue.new/bin/python - <<'PY'
from pathlib import Path

for path in (*Path("/opt/jobqueue.new/bin").iterdir(), Path("/opt/jobqueue.new/pyvenv.cfg")):
    if path.is_symlink() or not path.is_file():
        continue
    content = path.read_bytes()
    if b"/opt/jobqueue.new" in content and b"\0" not in content:
        path.write_bytes(content.replace(b"/opt/jobqueue.new", b"/opt/jobqueue"))
PY
rm -rf /opt/jobqueue.old
if [ -d /opt/jobqueue ]; then mv /opt/jobqueue /opt/jobqueue.old; fi
mv /opt/jobqueue.new /opt/jobqueue
rm -rf /opt/jobqueue.old

install -d -m 0700 -o jobqueue -g jobqueue /var/lib/jobqueue
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  for unit in jobqueue-api jobqueue-maintenance jobqueue-agent; do
    systemctl try-restart "$unit.service" || echo "jobqueue: $unit could not be restarted: systemctl status $unit" >&2
  done
fi
