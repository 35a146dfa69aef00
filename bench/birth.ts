/**
 * What an identity costs at birth: `docker run` of a program that ends at once, with an identity and
 * without, on one engine, in turns. The figure to keep is the ratio; the times depend on the machine.
 */

import { join } from 'node:path';
import { RUNTIME } from '../scripts/engine-runtime.ts';
import { BUILD } from '../scripts/paths.ts';
import type { Docker } from '../scripts/images.ts';
import { runMain, Steps } from '../scripts/steps.ts';
import { withTestEngine } from '../scripts/test-engine.ts';
import { quantile } from './support/quantile.ts';

const ROUNDS = 60;
const WARM_UP = 3;
const logFile = join(BUILD, 'logs/bench.log');
/** What an identity may cost `docker run` by the median, with the certificate in place before the program starts. */
const PROMISED_MS = 40;
const LABELS = ['--label', 'birthmark.cn=api01', '--label', 'birthmark.ou=web-api'];
const IDENTITY = [...LABELS, '--mount', 'type=volume,volume-driver=birthmark,dst=/run/birthmark'];

/** Each way to run the same program. */
const WAYS: Readonly<Record<string, readonly string[]>> = {
	'without an identity': ['test/busybox', 'true'],
	'volume and token only': [...IDENTITY, 'test/busybox', 'true'],
	'by label alone': ['--runtime', RUNTIME, ...LABELS, 'test/busybox', 'true'],
	'the same, no agent': ['--runtime', RUNTIME, ...LABELS, '--label', 'birthmark.agent=none', 'test/busybox', 'true'],
	'with an identity': [...IDENTITY, '--entrypoint', '/run/birthmark/bin/birthmark-agent', 'test/busybox', 'exec', '--', 'true'],
};

async function milliseconds(docker: Docker, way: readonly string[]): Promise<number> {
	const started = performance.now();
	await docker(['run', '--rm', '--network', 'none', ...way]);
	return performance.now() - started;
}

runMain(
	() =>
		withTestEngine(new Steps(logFile), async ({ docker }) => {
			const times = new Map(Object.keys(WAYS).map((name) => [name, [] as number[]]));
			for (let round = -WARM_UP; round < ROUNDS; round++) {
				for (const [name, way] of Object.entries(WAYS)) {
					const time = await milliseconds(docker, way);
					if (round >= 0) times.get(name)!.push(time);
				}
			}
			const reference = quantile(times.get('without an identity')!, 0.5);
			console.log(`\ndocker run --rm, ${ROUNDS} rounds in turns`);
			for (const [name, values] of times) {
				const [p50, p95] = [quantile(values, 0.5), quantile(values, 0.95)];
				console.log(`  ${name.padEnd(22)} p50 ${p50.toFixed(0).padStart(4)} ms   p95 ${p95.toFixed(0).padStart(4)} ms   ${(p50 / reference).toFixed(2)} times the reference`);
			}
			const overhead = quantile(times.get('by label alone')!, 0.5) - reference;
			console.log(`  by label alone: ${overhead.toFixed(0)} ms more${overhead <= PROMISED_MS ? '' : `, which is more than the ${PROMISED_MS} ms that are promised`}\n`);
		}),
	() => logFile,
);
