#!/bin/sh
# Stops the services when the package is removed, not when it is upgraded (deb: "upgrade", rpm: 1).
set -e
case "$1" in upgrade | failed-upgrade | 1) exit 0 ;; esac
if [ -d /run/systemd/system ]; then
  systemctl disable --now jobqueue-api.service jobqueue-maintenance.service jobqueue-agent.service
fi
