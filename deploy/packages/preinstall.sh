#!/bin/sh
# Creates the user of the API and maintenance.
set -e
if ! getent passwd jobqueue >/dev/null; then
  useradd --system --user-group --home-dir /var/lib/jobqueue --no-create-home --shell /usr/sbin/nologin jobqueue
fi
