#!/bin/sh
# Installs what the tests run as processes: PostgreSQL (15 or later), pgBackRest, Redis, HAProxy, ClamAV, Node, Maven and
# a JDK (for Kafka's jars and its users' file), and the Python modules that PostgreSQL's roles are kept with, each from
# Debian, none of them as a system service. Does nothing where all are present; needs root where something is missing.
set -eu

missing=""
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
command -v pgbackrest >/dev/null 2>&1 || missing="$missing pgbackrest"
command -v redis-server >/dev/null 2>&1 || command -v redis-check-rdb >/dev/null 2>&1 || missing="$missing redis-tools"
command -v haproxy >/dev/null 2>&1 || [ -x /usr/sbin/haproxy ] || missing="$missing haproxy"
command -v clamd >/dev/null 2>&1 || [ -x /usr/sbin/clamd ] || missing="$missing clamav-daemon"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
command -v mvn >/dev/null 2>&1 || missing="$missing maven"
command -v javac >/dev/null 2>&1 || missing="$missing default-jdk-headless"
/usr/bin/python3 -c "import psycopg2, yaml" >/dev/null 2>&1 || missing="$missing python3-psycopg2 python3-yaml"
command -v setpriv >/dev/null 2>&1 || missing="$missing util-linux"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "install-stores: missing:$missing. Install them, or run this script as root." >&2
    exit 1
fi

# The package would make a database cluster and start it; this tells it not to, for this installation alone.
no_cluster=/etc/postgresql-common/createcluster.d/chatcluster-tests.conf
mkdir -p "$(dirname "$no_cluster")"
made=$no_cluster
echo "create_main_cluster = false" >"$no_cluster"
# The same for services: Debian asks this program before it starts one.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    made="$made /usr/sbin/policy-rc.d"
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
fi
# shellcheck disable=SC2064,SC2086 # two plain paths, known now
trap "rm -f $made" EXIT

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # a list of package names
apt-get install -y -q --no-install-recommends $missing
