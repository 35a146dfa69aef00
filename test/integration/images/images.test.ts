/**
 * The table of docs/images.md, one test a row: in each kind of container, by volume and by label alone,
 * the certificate is in place before the application starts, and the application finds everything else as it would without an
 * identity, and ends with its own code.
 */

import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import type { ContainerCreateOptions, Container } from 'dockerode';
import { openWorld } from '../../support/world.ts';

const world = openWorld();
const MEBIBYTE = 2 ** 20;
const CODE = 43;
const PROBE = ['/probe', String(CODE), 'two words', '', '--json'];
const LIMITS = [{ Name: 'nofile', Soft: 1024, Hard: 4096 }];

interface Outcome {
	readonly code: number;
	/** what the application found */
	readonly facts: string;
	/** whether it had an identity when it began, and whatever else was said */
	readonly remarks: string;
}

const ROWS: Readonly<Record<string, ContainerCreateOptions>> = {
	'`FROM scratch` with one static program': { Image: 'test/scratch' },
	'busybox, programs linked with musl': { Image: 'test/musl' },
	'glibc': { Image: 'test/glibc', Entrypoint: ['/bin/sh', '-c', 'exec "$0" "$@"'] },
	'distroless: glibc, no shell': { Image: 'test/distroless' },
	'a user by number': { Image: 'test/busybox', User: '1234:5678' },
	'a user by name': { Image: 'test/distroless', User: 'nonroot' },
	'`--user 65534`': { Image: 'test/scratch', User: '65534' },
	'`--read-only`': { Image: 'test/busybox', HostConfig: { ReadonlyRootfs: true } },
	'`--cap-drop ALL --security-opt no-new-privileges`': { Image: 'test/busybox', HostConfig: { CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'] } },
	'all of these at once': { Image: 'test/distroless', User: 'nonroot', HostConfig: { ReadonlyRootfs: true, CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'], NetworkMode: 'none' } },
	'`--init`': { Image: 'test/busybox', HostConfig: { Init: true } },
	'`--network none`': { Image: 'test/busybox', HostConfig: { NetworkMode: 'none' } },
	'`--pids-limit 6`': { Image: 'test/scratch', HostConfig: { PidsLimit: 6 } },
	'`--memory 32m`': { Image: 'test/scratch', HostConfig: { Memory: 32 * MEBIBYTE, MemorySwap: 32 * MEBIBYTE } },
	'`--ulimit nofile=1024:4096`': { Image: 'test/busybox', HostConfig: { Ulimits: LIMITS } },
};

test('the table of the documentation has a row for each of these containers, and no other', (t) => {
	const [beginning = ''] = readFileSync(new URL('../../../docs/images.md', import.meta.url), 'utf8').split('\n## ');
	t.deepEqual([...beginning.matchAll(/^\| (.+?) \|/gm)].map((row) => row[1]).slice(2), Object.keys(ROWS));
});

for (const [row, kind] of Object.entries(ROWS)) {
	test(`an application in this container notices nothing but its identity: ${row}`, async (t) => {
		const { Entrypoint = [], ...rest } = kind;
		const options: ContainerCreateOptions = { Hostname: 'probe', WorkingDir: '/', Env: ['EMPTY=', 'QUOTED="a b"'], ...rest, Entrypoint: [...Entrypoint, ...PROBE], Cmd: [] };
		const byLabelAlone = { ...options, Labels: { 'birthmark.cn': world.name(), 'birthmark.ou': 'web-api' }, HostConfig: { ...options.HostConfig, Runtime: 'birthmark' } };
		const [without, byVolume, byRuntime] = await Promise.all([
			world.plain(t, options).then(outcome),
			world.create(t, { commonName: world.name(), organizationalUnit: 'web-api' }, options).then(outcome),
			world.plain(t, byLabelAlone).then(outcome),
		]);
		compare(t, byVolume, without);
		compare(t, byRuntime, without);
	});
}

function compare(t: ExecutionContext, born: Outcome, without: Outcome): void {
	t.is(without.remarks, 'identity: no\n');
	t.is(born.remarks, 'identity: yes\n');
	t.is(born.facts, without.facts);
	t.regex(born.facts, /^argument: two words\nargument: \nargument: --json$/m);
	t.is(born.code, CODE);
	t.is(without.code, CODE);
}

/** Runs it to its end. */
async function outcome(container: Container): Promise<Outcome> {
	await container.start();
	const { StatusCode: code } = (await container.wait()) as { StatusCode: number };
	const [facts, remarks] = await Promise.all([{ stdout: true }, { stderr: true }].map((which) => world.logs(container, which)));
	return { code, facts: facts!, remarks: remarks! };
}
