/**
 * An image of PostgreSQL out of the distribution's programs, which takes the place of the public
 * `postgres` image as far as the examples need it: `POSTGRES_USER`, `POSTGRES_PASSWORD`, `POSTGRES_DB`,
 * a cluster made at the first start in the volume at /var/lib/postgresql/data, passwords over TCP.
 */

import { cpSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Docker } from '../../scripts/images.ts';
import { toolEnvironment } from '../../scripts/packages.ts';
import { BUILD, TOOLS } from '../../scripts/paths.ts';
import type { Steps } from '../../scripts/steps.ts';
import { postgresPrograms } from './postgres.ts';

/** The user's number is that of the public image. */
const DOCKERFILE = `FROM test/busybox
COPY root /
COPY --chown=999:999 own /
ENV PGDATA=/var/lib/postgresql/data
USER 999:999
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["/bin/sh", "/entrypoint"]
`;
/** Until the database is there nobody reaches the server: it is made without one that listens. */
const ENTRYPOINT = (programs: string): string => `set -eu
PATH=${programs}:$PATH
: "\${POSTGRES_PASSWORD:?}" "\${POSTGRES_USER:=postgres}" "\${POSTGRES_DB:=$POSTGRES_USER}"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	printf '%s\\n' "$POSTGRES_PASSWORD" | initdb -D "$PGDATA" --username="$POSTGRES_USER" --pwfile=/dev/stdin --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C
	echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
	[ "$POSTGRES_DB" = postgres ] || printf 'CREATE DATABASE "%s"\\n' "$POSTGRES_DB" | postgres --single -D "$PGDATA" postgres
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp
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
	const context = join(BUILD, 'context/postgres');
	const root = join(context, 'root');
	rmSync(context, { recursive: true, force: true });
	for (const directory of [`${installation}/bin`, `${installation}/lib`, 'lib', 'etc', 'usr/share/zoneinfo']) mkdirSync(join(root, directory), { recursive: true });
	mkdirSync(join(context, 'own/tmp'), { recursive: true });
	mkdirSync(join(context, 'own/var/lib/postgresql/data'), { recursive: true, mode: 0o700 });

	const files = [...['postgres', 'initdb'].map((name) => `bin/${name}`), ...MODULES.map((name) => `lib/${name}`)].map((name) => `${installation}/${name}`);
	for (const file of files) cpSync(realpathSync(machine + file), join(root, file));
	cpSync(machine + share, join(root, share), { recursive: true, dereference: true, filter: (path) => !['man', 'contrib'].includes(basename(path)) });
	for (const library of await librariesOf(steps, files.map((file) => machine + file))) {
		// The loader stands where programs name it; all others where it looks.
		const target = join(root, /\/ld-linux[^/]*$/.test(library) ? library : join('lib', basename(library)));
		mkdirSync(dirname(target), { recursive: true });
		cpSync(realpathSync(library), target);
	}
	writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\npostgres:x:999:999:postgres:/var/lib/postgresql:/bin/sh\n');
	writeFileSync(join(root, 'etc/group'), 'root:x:0:\npostgres:x:999:\n');
	writeFileSync(join(root, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files dns\n');
	writeFileSync(join(root, 'entrypoint'), ENTRYPOINT(`${installation}/bin`));
	writeFileSync(join(context, 'Dockerfile'), DOCKERFILE);
	await docker(['build', '--quiet', '--tag', tag, context]);
}

/** Everything that the dynamic loader maps for these files. */
async function librariesOf(steps: Steps, files: readonly string[]): Promise<ReadonlySet<string>> {
	const { stdout } = await steps.run('ldd', files, { env: toolEnvironment(TOOLS), quiet: true });
	const missing = /^\s*(\S+) => not found/m.exec(stdout);
	if (missing) throw new Error(`PostgreSQL needs ${missing[1]}, which is not here: run "make build"`);
	return new Set([...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, path]) => path!));
}
