import { observed } from '../scripts/observed-run.ts';

// The stories share one engine, one plugin and one CA, and some of them stop these: one after the other.
export default {
	files: ['test/integration/**/*.test.ts'],
	extensions: { ts: 'module' },
	require: ['./test/support/whole-engine.ts'],
	workerThreads: false,
	concurrency: 1,
	serial: true,
	failFast: false,
	// Of one test: what it waits for has limits of its own (test/support/world.ts).
	timeout: '600s',
	environmentVariables: { TESTCONTAINERS_RYUK_DISABLED: 'true' },
	...observed,
};
