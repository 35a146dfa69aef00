/**
 * An image of PostgreSQL out of the distribution's programs, which takes the place of the public
 * `postgres` image as far as the examples need it: `POSTGRES_USER`, `POSTGRES_DB`, `POSTGRES_PASSWORD` or
 * `POSTGRES_HOST_AUTH_METHOD=trust`, a cluster made at the first start in the volume at
 * /var/lib/postgresql/data, passwords over TCP, options of the server as command; and psql,
 * beside it `openssl` for what tests look at.
 */

import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { withContext, type Docker } from '../../scripts/images.ts';
import { TOOLS } from '../../scripts/paths.ts';
import type { Steps } from '../../scripts/steps.ts';
import { postgresPrograms } from './postgres.ts';
import { copyPrograms, findProgram } from './program-files.ts';

/** The user's number is that of the public image. */
const DOCKERFILE = (programs: string): string => `FROM test/busybox
COPY root /
COPY --chown=999:999 own /
ENV PATH=${programs}:/usr/bin:/bin PGDATA=/var/lib/postgresql/data
USER 999:999
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["/bin/sh", "/entrypoint"]
CMD ["postgres"]
`;
/** Until the database is there nobody reaches the server: it is made without one that listens. */
const ENTRYPOINT = `set -eu
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
	: "\${POSTGRES_USER:=postgres}" "\${POSTGRES_DB:=$POSTGRES_USER}" "\${POSTGRES_HOST_AUTH_METHOD:=scram-sha-256}"
	if [ "$POSTGRES_HOST_AUTH_METHOD" = trust ]; then
		initdb -D "$PGDATA" --username="$POSTGRES_USER" --auth=trust --encoding=UTF8 --locale=C
	else
		printf '%s\\n' "\${POSTGRES_PASSWORD:?}" | initdb -D "$PGDATA" --username="$POSTGRES_USER" --pwfile=/dev/stdin --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C
	fi
	echo "host all all all $POSTGRES_HOST_AUTH_METHOD" >> "$PGDATA/pg_hba.conf"
	[ "$POSTGRES_DB" = postgres ] || printf 'CREATE DATABASE "%s"\\n' "$POSTGRES_DB" | postgres --single -D "$PGDATA" postgres
fi
if [ "$1" = postgres ]; then
	shift
	set -- postgres -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
fi
exec "$@"
`;
/** Of the libraries of an installation those that a new cluster names; the others would bring a compiler along. */
const MODULES = ['plpgsql.so', 'dict_snowball.so'];

/** @param docker of an engine that has `test/busybox` */
export async function buildPostgresImage(steps: Steps, docker: Docker, tag: string): Promise<void> {
	const programs = postgresPrograms();
	if (programs === undefined) throw new Error('the programs of PostgreSQL are missing: run "make build"');
	// …/usr/lib/postgresql/15/bin: the server finds its files by their place relative to its own.
	const [, machine, installation] = /^(.*)(\/usr\/lib\/postgresql\/[^/]+)\/bin$/.exec(programs) as unknown as [string, string, string];
	const share = installation.replace('/lib/', '/share/');
	await withContext(async (context) => {
		const root = join(context, 'root');
		for (const directory of [`${installation}/bin`, `${installation}/lib`, 'lib', 'etc', 'usr/share/zoneinfo']) mkdirSync(join(root, directory), { recursive: true });
		mkdirSync(join(context, 'own/tmp'), { recursive: true });
		mkdirSync(join(context, 'own/var/lib/postgresql/data'), { recursive: true, mode: 0o700 });

		const files = [...['postgres', 'initdb', 'psql'].map((name) => `bin/${name}`), ...MODULES.map((name) => `lib/${name}`)].map((name) => `${installation}/${name}`);
		await copyPrograms(steps, root, new Map([...files.map((file) => [machine + file, file] as const), [findProgram('openssl', TOOLS), 'usr/bin/openssl']]), TOOLS);
		cpSync(machine + share, join(root, share), { recursive: true, dereference: true, filter: (path) => !['man', 'contrib'].includes(basename(path)) });
		writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\npostgres:x:999:999:postgres:/var/lib/postgresql:/bin/sh\n');
		writeFileSync(join(root, 'etc/group'), 'root:x:0:\npostgres:x:999:\n');
		writeFileSync(join(root, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files dns\n');
		writeFileSync(join(root, 'entrypoint'), ENTRYPOINT);
		writeFileSync(join(context, 'Dockerfile'), DOCKERFILE(`${installation}/bin`));
		await docker(['build', '--quiet', '--tag', tag, context]);
	});
}
