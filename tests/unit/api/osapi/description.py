"""The names that OSAPI's description has, as facts: what clients send, and what they read.

Of each call of a host: its status, the fields of a result besides hostname, status, changed and error, and those of its
body (a star: required).
"""

from __future__ import annotations

CALLS: dict[str, tuple[int, str, str]] = {
    "GET ": (200, "uptime load_average memory disks os_info", ""),
    "GET /disk": (200, "disks", ""),
    "GET /memory": (200, "memory", ""),
    "GET /load": (200, "load_average", ""),
    "GET /os": (200, "os_info", ""),
    "GET /uptime": (200, "uptime", ""),
    "GET /certificate/ca": (200, "certificates", ""),
    "POST /certificate/ca": (200, "name", "name* object*"),
    "PUT /certificate/ca/{name}": (200, "name", "object*"),
    "DELETE /certificate/ca/{name}": (200, "name", ""),
    "POST /command/exec": (202, "stdout stderr exit_code duration_ms", "command* args cwd timeout"),
    "POST /command/shell": (202, "stdout stderr exit_code duration_ms", "command* cwd timeout"),
    "POST /container/docker": (
        202,
        "id name image state created",
        "image* name hostname dns command env ports volumes auto_start",
    ),
    "GET /container/docker": (200, "containers", ""),
    "GET /container/docker/{id}": (200, "id name image state created ports mounts env network_settings health", ""),
    "DELETE /container/docker/{id}": (202, "id message", ""),
    "POST /container/docker/{id}/start": (202, "id message", ""),
    "POST /container/docker/{id}/stop": (202, "id message", "timeout"),
    "POST /container/docker/{id}/exec": (202, "stdout stderr exit_code", "command* env working_dir"),
    "DELETE /container/docker/image/{image}": (202, "id message", ""),
    "POST /container/docker/pull": (202, "image_id tag size", "image*"),
    "POST /file/deploy": (202, "", "object_name* path* mode owner group content_type* vars"),
    "POST /file/undeploy": (202, "", "path*"),
    "POST /file/status": (200, "path sha256", "path*"),
    "GET /hostname": (200, "labels", ""),
    "PUT /hostname": (202, "", "hostname*"),
    "GET /log": (200, "entries", ""),
    "GET /log/source": (200, "sources", ""),
    "GET /log/unit/{name}": (200, "entries", ""),
    "POST /network/ping": (200, "packets_sent packets_received packet_loss min_rtt avg_rtt max_rtt", "address*"),
    "GET /network/dns/{interfaceName}": (200, "servers search_domains", ""),
    "PUT /network/dns": (202, "", "servers search_domains interface_name* override_dhcp"),
    "DELETE /network/dns": (200, "", "interface_name*"),
    "GET /network/interface": (200, "interfaces", ""),
    "GET /network/interface/{name}": (200, "interface", ""),
    "POST /network/interface/{name}": (
        200,
        "name",
        "dhcp4 dhcp6 addresses gateway4 gateway6 mtu mac_address wakeonlan",
    ),
    "PUT /network/interface/{name}": (200, "name", "dhcp4 dhcp6 addresses gateway4 gateway6 mtu mac_address wakeonlan"),
    "DELETE /network/interface/{name}": (200, "name", ""),
    "GET /network/route": (200, "routes", ""),
    "GET /network/route/{interfaceName}": (200, "routes", ""),
    "POST /network/route/{interfaceName}": (200, "interface", "routes*"),
    "PUT /network/route/{interfaceName}": (200, "interface", "routes*"),
    "DELETE /network/route/{interfaceName}": (200, "interface", ""),
    "GET /ntp": (200, "synchronized stratum offset current_source servers", ""),
    "POST /ntp": (200, "", "servers*"),
    "PUT /ntp": (200, "", "servers*"),
    "DELETE /ntp": (200, "", ""),
    "GET /package": (200, "packages", ""),
    "POST /package": (200, "name", "name*"),
    "GET /package/{name}": (200, "packages", ""),
    "DELETE /package/{name}": (200, "name", ""),
    "POST /package/update": (200, "name", ""),
    "GET /package/update": (200, "updates", ""),
    "POST /power/reboot": (200, "action delay", "delay message"),
    "POST /power/shutdown": (200, "action delay", "delay message"),
    "GET /process": (200, "processes", ""),
    "GET /process/{pid}": (200, "process", ""),
    "POST /process/{pid}/signal": (200, "pid signal", "signal*"),
    "GET /schedule/cron": (200, "name object schedule interval source user", ""),
    "POST /schedule/cron": (200, "name", "name* object* schedule interval user content_type vars"),
    "GET /schedule/cron/{name}": (200, "name object schedule interval source user", ""),
    "PUT /schedule/cron/{name}": (200, "name", "object schedule user content_type vars"),
    "DELETE /schedule/cron/{name}": (200, "name", ""),
    "GET /service": (200, "services", ""),
    "POST /service": (200, "name", "name* object*"),
    "GET /service/{name}": (200, "service", ""),
    "PUT /service/{name}": (200, "name", "object*"),
    "DELETE /service/{name}": (200, "name", ""),
    "POST /service/{name}/start": (200, "name", ""),
    "POST /service/{name}/stop": (200, "name", ""),
    "POST /service/{name}/restart": (200, "name", ""),
    "POST /service/{name}/enable": (200, "name", ""),
    "POST /service/{name}/disable": (200, "name", ""),
    "GET /sysctl": (200, "key value", ""),
    "POST /sysctl": (200, "key", "key* value*"),
    "GET /sysctl/{key}": (200, "key value", ""),
    "PUT /sysctl/{key}": (200, "key", "value*"),
    "DELETE /sysctl/{key}": (200, "key", ""),
    "GET /timezone": (200, "timezone utc_offset", ""),
    "PUT /timezone": (200, "timezone", "timezone*"),
    "GET /user": (200, "users", ""),
    "POST /user": (200, "name", "name* uid gid home shell groups password system"),
    "GET /user/{name}": (200, "users", ""),
    "PUT /user/{name}": (200, "name", "shell home groups lock"),
    "DELETE /user/{name}": (200, "name", ""),
    "POST /user/{name}/password": (200, "name", "password*"),
    "GET /user/{name}/ssh-key": (200, "keys", ""),
    "POST /user/{name}/ssh-key": (200, "", "key*"),
    "DELETE /user/{name}/ssh-key/{fingerprint}": (200, "", ""),
    "GET /group": (200, "groups", ""),
    "POST /group": (200, "name", "name* gid system"),
    "GET /group/{name}": (200, "groups", ""),
    "PUT /group/{name}": (200, "name", "members"),
    "DELETE /group/{name}": (200, "name", ""),
}

#: Fields of other answers.
ANSWERS = {
    "OsapiAgent": (
        "machine_id fingerprint hostname* status* labels registered_at started_at os_info uptime "
        "load_average memory architecture kernel_version cpu_count fqdn service_mgr package_mgr "
        "interfaces primary_interface routes facts state conditions timeline"
    ),
    "OsapiPendingAgent": "machine_id* hostname* fingerprint* requested_at*",
    "OsapiAuditEntry": (
        "id* timestamp* user* roles* method* path* operation_id source_ip* response_code* duration_ms* trace_id"
    ),
    "OsapiStatus": (
        "status* components* version* uptime* nats streams kv_buckets object_stores jobs agents consumers registry"
    ),
    "OsapiJob": "id status created operation result changed error hostname updated_at responses agent_states timeline",
}

#: Fields of the answers about objects, all of them required.
FILES = {
    "FileInfo": "name sha256 size content_type source",
    "FileUploadResponse": "name sha256 size changed content_type",
    "FileListResponse": "files total",
    "FileInfoResponse": "name sha256 size content_type",
    "FileDeleteResponse": "name deleted",
    "StaleDeployment": "object_name hostname provider path deployed_sha current_sha deployed_at",
    "StaleDeploymentsResponse": "stale total",
}
