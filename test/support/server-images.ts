/**
 * Images of the distribution's nginx, HAProxy and Redis, which take the place of the public ones as far
 * as the examples need it: the same tags, users, commands, stop signals and places of configuration.
 */

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { withContext, type Docker } from '../../scripts/images.ts';
import { unpackMissing } from '../../scripts/packages.ts';
import { BUILD } from '../../scripts/paths.ts';
import type { Steps } from '../../scripts/steps.ts';
import { copyPrograms, findProgram } from './program-files.ts';

/** Apart from the other tools: their libraries may be newer than those that the engine's programs know. */
const TOOLS = join(BUILD, 'servers');
const PACKAGES = ['nginx', 'haproxy', 'redis-server', 'curl', 'openssl'];
/** The clients are in the same image: `curl` as in the public nginx, `redis-cli`, and `openssl` for what tests look at. */
const PROGRAMS = ['nginx', 'haproxy', 'redis-server', 'redis-cli', 'curl', 'openssl'];

/** What the public images say of their users, under numbers of theirs. */
const PASSWD = `root:x:0:0:root:/:/bin/sh
nginx:x:101:101:nginx:/nonexistent:/bin/false
haproxy:x:99:99:haproxy:/var/lib/haproxy:/bin/false
redis:x:999:999:redis:/data:/bin/false
`;
const GROUP = PASSWD.replace(/^(\w+:x:)\d+:(\d+):.*$/gm, '$1$2:');

/** As the public image has it: the command "haproxy" runs as master and worker, in the foreground. */
const HAPROXY_ENTRYPOINT = `set -eu
if [ "$1" = haproxy ]; then
	shift
	set -- haproxy -W -db "$@"
fi
exec "$@"
`;

const IMAGES: Readonly<Record<string, string>> = {
	'test/servers': `FROM test/busybox
COPY root /
COPY --chown=999:999 data /data
RUN mkdir -p /var/lib/nginx /var/log/nginx /var/cache/nginx /var/lib/haproxy && ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log
`,
	'nginx:1.28': `FROM test/servers
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
`,
	'haproxy:3.2': `FROM test/servers
STOPSIGNAL SIGUSR1
USER haproxy
ENTRYPOINT ["/bin/sh", "/haproxy-entrypoint"]
CMD ["haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
`,
	'redis:7.4': `FROM test/servers
WORKDIR /data
CMD ["redis-server"]
`,
};

/** Fetches what {@link buildServerImages} puts into its images; once. */
export async function fetchServers(steps: Steps): Promise<void> {
	await unpackMissing(steps, PACKAGES, TOOLS);
}

/** @param docker of an engine that has `test/busybox` */
export async function buildServerImages(steps: Steps, docker: Docker): Promise<void> {
	await fetchServers(steps);
	await withContext(async (context) => {
		const root = join(context, 'root');
		for (const directory of ['data', 'root/etc', 'root/tmp', 'root/run']) mkdirSync(join(context, directory), { recursive: true });
		chmodSync(join(root, 'tmp'), 0o1777);
		await copyPrograms(steps, root, new Map(PROGRAMS.map((name) => [findProgram(name, TOOLS), `usr/bin/${name}`])), TOOLS);
		writeFileSync(join(root, 'etc/passwd'), PASSWD);
		writeFileSync(join(root, 'etc/group'), GROUP);
		writeFileSync(join(root, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files dns\n');
		writeFileSync(join(root, 'haproxy-entrypoint'), HAPROXY_ENTRYPOINT);
		for (const [tag, dockerfile] of Object.entries(IMAGES)) {
			const file = join(context, `Dockerfile.${basename(tag).replace(':', '-')}`);
			writeFileSync(file, dockerfile);
			await docker(['build', '--quiet', '--tag', tag, '--file', file, context]);
		}
	});
}
