/** `birthmark engine`: makes `birthmark-runtime` a runtime of the engine of this host, so that the label alone is enough. */

import { InvalidArgumentError, type Command } from 'commander';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { checkChain, isNamed } from '#common/runtime/authorization-chain.ts';
import type { Context } from '../context.ts';
import { connectEngine, type EngineForSetup } from '../docker.ts';
import { createDaemonFile } from '../engine/daemon-file.ts';
import { checkFlags, validateDaemonJson } from '../engine/engine-check.ts';
import { findEngineProcess, type EngineProcess } from '#common/runtime/engine-process.ts';
import { engineSocket } from '../engine/engine-socket.ts';
import { createRuntimeFiles } from '../engine/runtime-files.ts';
import { runtimeFindings } from '../engine/runtime-findings.ts';
import { settingsFor } from '../engine/runtime-settings.ts';
import { whileLocked } from '../engine/setup-lock.ts';
import { createNotesFile } from '../engine/setup-notes.ts';
import { planSetup, runSetup, runUndo, type SetupDeps } from '../engine/setup.ts';
import { changedLines } from '../engine/text-diff.ts';
import { ExitCode } from '../exit-codes.ts';
import { printFinding } from '../finding-lines.ts';
import { parseSeconds } from '../span.ts';

const BUILT = fileURLToPath(new URL('../../build/runtime/birthmark-runtime', import.meta.url));
/** An engine that reads its configuration again makes nothing new of what it has; a busy one may take its time. */
const WAIT_SECONDS = 30;
const STEP_MS = 100;

interface EngineOptions {
	readonly host?: string;
	readonly plugin: string;
}

interface SetupOptions extends EngineOptions {
	readonly name: string;
	readonly directory: string;
	readonly daemonJson?: string;
	readonly program: string;
	readonly runtime?: string;
	readonly default?: boolean;
	readonly authorization?: boolean;
	readonly dryRun?: boolean;
	readonly force?: boolean;
	readonly wait: number;
}

interface Opened {
	readonly deps: SetupDeps;
	readonly process: EngineProcess;
	readonly engine: EngineForSetup;
}

export function addEngine(program: Command, context: Context): void {
	const engine = program.command('engine').description('the engine of this host');
	const add = (name: string, description: string): Command => engine.command(name).description(description)
		.option('--host <address>', 'unix socket of the engine (default: $DOCKER_HOST, else unix:///var/run/docker.sock)')
		.option('--plugin <name>', 'name under which the plugin is installed', 'birthmark')
		.option('--json', 'print JSON');
	const withPlaces = (command: Command): Command => command
		.option('--name <name>', 'of the runtime, as in docker run --runtime', toRuntimeName, 'birthmark')
		.option('--directory <path>', 'where its program is installed', '/usr/local/lib/birthmark')
		.option('--wait <span>', 'how long the engine may take to read its configuration', parseSeconds, WAIT_SECONDS)
		.option('--daemon-json <path>', 'configuration of the engine (default: what the engine was started with, else /etc/docker/daemon.json)');

	withPlaces(add('setup', 'install birthmark-runtime and let the engine know it: a label is then enough; as root'))
		.option('--default', 'for every container that names no other runtime')
		.option('--authorization', 'put the plugin into the authorization chain as well')
		.option('--runtime <path>', 'the runtime behind it (default: the engine\'s default runtime)')
		.option('--program <path>', 'birthmark-runtime as it was built', BUILT)
		.option('--dry-run', 'show what would change, and change nothing')
		.action(async (options: SetupOptions) => {
			const opened = await open(context, options);
			const work = (): Promise<void> => setup(context, options, opened);
			await (options.dryRun ? work() : whileLocked(opened.deps.daemonFile.path, work));
		});
	withPlaces(add('undo', 'take away what setup added, and nothing else; as root'))
		.option('--force', 'also while there are containers that were created with it: they cannot be started then')
		.action(async (options: SetupOptions) => {
			const opened = await open(context, options);
			await whileLocked(opened.deps.daemonFile.path, () => undo(context, options, opened));
		});
	add('status', 'is birthmark-runtime set up, and does it fit').action((options: EngineOptions) => status(context, options));
}

/** What the engine does not take for a name would come out only after it was asked to read it. */
function toRuntimeName(text: string): string {
	if (!/^[a-z0-9][a-z0-9_.-]*$/i.test(text) || /^(?:runc$|io\.containerd\.)/.test(text)) throw new InvalidArgumentError('use letters, digits, ".", "-" and "_", and no name that the engine has itself (runc, io.containerd.…).');
	return text;
}

async function setup(context: Context, options: SetupOptions, { deps, process, engine }: Opened): Promise<void> {
	const { name, isDefault, plugin } = { name: options.name, isDefault: options.default === true, plugin: options.authorization ? options.plugin : undefined };
	checkFlags(process);
	const installed = (await engine.plugins()).find((candidate) => isNamed(candidate.name, options.plugin));
	const wanted = { name, program: deps.files.program, isDefault, ...(plugin !== undefined && { plugin }) };
	const settings = settingsFor(await deps.look(), process, installed, deps.files.program, options.runtime);
	const plan = await planSetup(deps, wanted, settings);
	const report = { runtime: name, program: deps.files.program, default: isDefault, daemonJson: deps.daemonFile.path };
	if (options.dryRun) {
		const changes = changedLines(plan.before ?? '', plan.after);
		if (context.wantsJson()) return context.output.json({ ...report, outcome: plan.isDone ? 'unchanged' : 'planned', changes });
		if (plan.isDone) return context.output.line('everything is in place; nothing would change');
		context.output.line(`${deps.files.program} and its settings would be installed, in front of ${settings.runtime}; ${deps.daemonFile.path}:`);
		for (const line of changes) context.output.line(`    ${line}`);
		return;
	}
	const outcome = await runSetup(deps, wanted, settings, plan);
	if (context.wantsJson()) return context.output.json({ ...report, outcome });
	context.output.line(outcome === 'unchanged' ? 'everything was in place' : `in force: docker run ${isDefault ? '' : `--runtime ${name} `}--label birthmark.cn=NAME IMAGE`);
}

async function undo(context: Context, { force = false, name: given }: SetupOptions, { deps }: Opened): Promise<void> {
	const name = deps.notes.read()?.name ?? given;
	const outcome = await runUndo(deps, name, force);
	if (context.wantsJson()) return context.output.json({ runtime: name, daemonJson: deps.daemonFile.path, outcome });
	context.output.line(outcome === 'unchanged' ? 'there was nothing to undo' : `the engine has no runtime ${name} any more`);
}

async function status(context: Context, { host, plugin: name }: EngineOptions): Promise<void> {
	const engine = await connectEngine(engineSocket(host));
	const plugin = (await engine.plugins()).find((candidate) => isNamed(candidate.name, name));
	const findings = await runtimeFindings({ runtimes: await engine.runtimes(), plugin, status: await engine.status() }, true);
	const healthy = findings.every(({ verdict }) => verdict !== 'fault');
	if (context.wantsJson()) context.output.json({ healthy, findings });
	else for (const finding of findings) printFinding(context.output, finding);
	if (!healthy) process.exitCode = ExitCode.unhealthy;
}

async function open(context: Context, { host, directory: given, daemonJson, program, wait }: SetupOptions): Promise<Opened> {
	if (process.getuid?.() !== 0) throw new BirthmarkError('forbidden', 'only root on the engine\'s host can set it up; run it with sudo');
	const [directory, socket] = [resolve(given), engineSocket(host)];
	const running = findEngineProcess(socket);
	const engine = await connectEngine(socket);
	const deps: SetupDeps = {
		look: () => engine.runtimes(),
		isEnforced: async () => (await engine.status())?.inChain === true,
		containersWith: (runtime) => engine.containersWith(runtime),
		daemonFile: createDaemonFile(daemonJson ?? running.daemonJson, context.now),
		files: createRuntimeFiles(directory, program ?? BUILT),
		notes: createNotesFile(join(directory, 'engine-setup.json')),
		validate: async (text) => validateDaemonJson(running, await engine.version(), text),
		checkChain: async (chain) => checkChain(chain, await engine.plugins()),
		reload: () => void process.kill(running.pid, 'SIGHUP'),
		eventually: (ask) => eventually(ask, wait),
		onStep: (title) => {
			if (!context.wantsJson()) context.output.line(title);
		},
	};
	return { deps, process: running, engine };
}

/** An engine that does not answer for the moment has not said no. */
async function eventually(ask: () => Promise<boolean>, seconds: number): Promise<boolean> {
	const end = performance.now() + seconds * 1000;
	do {
		if (await ask().catch(() => false)) return true;
		await sleep(STEP_MS);
	} while (performance.now() < end);
	return false;
}
