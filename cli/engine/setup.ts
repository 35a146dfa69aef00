/**
 * Makes `birthmark-runtime` a runtime of an engine that runs, and takes it away again (docs/adr/0033).
 * Every step can be done again; killed between any two of them the engine works, and the next run
 * completes. What the engine does not take is taken back.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { DaemonFile } from './daemon-file.ts';
import { isInChain, isRuntimeAt, readSettings, saidAloud, withoutRuntime, withRuntime, type WantedRuntime } from './daemon-text.ts';
import type { RuntimeFiles, RuntimeSettings } from './runtime-files.ts';
import type { NotesFile, SetupNotes } from './setup-notes.ts';

/** What the engine says of its runtimes (`GET /info`). */
export interface EngineRuntimes {
	/** where it keeps its containers */
	readonly dataRoot: string;
	readonly defaultRuntime: string;
	readonly runtimes: Readonly<Record<string, { readonly path?: string; readonly runtimeArgs?: readonly string[] | null }>>;
}

export interface SetupDeps {
	readonly look: () => Promise<EngineRuntimes>;
	/** true when the plugin says that the engine asks it */
	readonly isEnforced: () => Promise<boolean>;
	/** names of the containers, running or not, that were created with this runtime */
	readonly containersWith: (runtime: string) => Promise<readonly string[]>;
	readonly daemonFile: DaemonFile;
	readonly files: RuntimeFiles;
	readonly notes: NotesFile;
	/** asks the engine's own program @returns what is wrong with a text for daemon.json */
	readonly validate: (text: string) => Promise<string | undefined>;
	/** @throws BirthmarkError when the engine would exit rather than read this authorization chain */
	readonly checkChain: (chain: readonly string[]) => Promise<void>;
	/** SIGHUP */
	readonly reload: () => void;
	/** asks again until the answer is yes @returns false when it was not in time */
	readonly eventually: (ask: () => Promise<boolean>) => Promise<boolean>;
	readonly onStep: (title: string) => void;
}

/** The runtime of an engine where nobody said which. */
const STOCK = 'runc';
const EMPTY = '{}\n';

export interface SetupPlan {
	/** daemon.json now, undefined when there is none, and as it is to be */
	readonly before: string | undefined;
	readonly after: string;
	/** nothing is left to do */
	readonly isDone: boolean;
}

/** Looks only. @throws BirthmarkError when daemon.json cannot be changed, or the engine would not take it */
export async function planSetup(deps: SetupDeps, wanted: WantedRuntime, settings: RuntimeSettings): Promise<SetupPlan> {
	const { daemonFile, files } = deps;
	const before = readBefore(deps);
	const after = withRuntime(before ?? EMPTY, daemonFile.path, wanted);
	await deps.checkChain(readSettings(after, daemonFile.path).chain ?? []);
	const problem = after === before ? undefined : await deps.validate(after);
	if (problem !== undefined) throw new BirthmarkError('setup-failed', `the engine would not take its changed configuration: ${problem}; nothing was changed`);
	return { before, after, isDone: after === daemonFile.read() && files.areThere(settings) && (await isInForce(deps, wanted)) };
}

/** @throws BirthmarkError `setup-failed`: the sentence says what is in force then */
export async function runSetup(deps: SetupDeps, wanted: WantedRuntime, settings: RuntimeSettings, { before, after, isDone }: SetupPlan): Promise<'done' | 'unchanged'> {
	const { daemonFile, files, notes, onStep } = deps;
	if (isDone) return 'unchanged';
	const { defaultRuntime } = await deps.look();
	onStep(`install ${files.program}`);
	await files.install(settings);
	if (after !== daemonFile.read()) {
		onStep(`change ${daemonFile.path}`);
		await notes.write(noteOf(deps, wanted, before));
		await daemonFile.write(after);
	} else if (await isInForce(deps, wanted)) return 'done';
	onStep('let the engine read it, and see that it does');
	deps.reload();
	if (await deps.eventually(() => isInForce(deps, wanted))) return 'done';
	const { plugin, ...runtimeOnly } = wanted;
	const isTaken = plugin !== undefined && (await isInForce(deps, runtimeOnly));
	onStep('put everything back');
	const note = notes.read() ?? noteOf(deps, wanted, before);
	const back = after === before ? withoutRuntime(before, daemonFile.path, note) : before;
	const isLeft = back !== undefined && isRuntimeAt(readSettings(back, daemonFile.path).runtimes?.[wanted.name], wanted.program);
	const isBack = await restore(deps, note, back, defaultRuntime === wanted.name && !isLeft ? STOCK : defaultRuntime, async () => isLeft || (await isGone(deps, note)));
	if (isBack && !isLeft) cleanUp(deps, note);
	const fault = isTaken ? `the engine took the runtime up, but the plugin ${plugin} did not prove in time that the engine asks it` : 'the engine did not take the runtime up';
	throw new BirthmarkError('setup-failed', `${fault}, and ${daemonFile.path} is what it was before; the engine's log says why${isTaken ? ', in the lines of the plugin' : ''}`);
}

/**
 * @param force also while there are containers of this runtime: they cannot be started then
 * @returns `unchanged` when there is nothing of ours
 * @throws BirthmarkError `setup-failed`
 */
export async function runUndo(deps: SetupDeps, name: string, force: boolean): Promise<'done' | 'unchanged'> {
	const { daemonFile, files, notes, onStep } = deps;
	const before = readBefore(deps);
	if (before !== undefined && notes.read() === undefined) refuseOther(deps, before, name);
	const note = notes.read() ?? { version: 1, name, program: files.program, keys: [], madeFile: false, backups: [] };
	const after = before === undefined ? undefined : withoutRuntime(before, daemonFile.path, note);
	const isToReload = after !== daemonFile.read() || !(await isGone(deps, note));
	if (!isToReload && notes.read() === undefined && !files.exist()) return 'unchanged';
	const using = force ? [] : await deps.containersWith(note.name);
	if (using.length > 0) throw new BirthmarkError('setup-failed', `${shorten(using)} could not be started any more; remove what was created with the runtime ${note.name}, or undo with --force`);
	if (isToReload) {
		// Nobody judges calls from then on: that is to be seen.
		const what = note.plugin === undefined ? 'it' : `it, and the plugin ${note.plugin} of the authorization chain,`;
		onStep(`take ${what} out of ${daemonFile.path}, and let the engine read that`);
		await deps.checkChain(after === undefined ? [] : readSettings(after, daemonFile.path).chain ?? []);
		if (!(await restore(deps, note, after, STOCK, () => isGone(deps, note)))) throw new BirthmarkError('setup-failed', `the engine still has the runtime ${note.name}, although ${daemonFile.path} does not; restart it, and undo again`);
	}
	onStep(`remove ${files.program}`);
	cleanUp(deps, note);
	return 'done';
}

/** Without notes nothing is known but the name, which may be that of a setup with another directory, or of somebody else's program. */
function refuseOther({ daemonFile, files }: SetupDeps, text: string, name: string): void {
	const there = readSettings(text, daemonFile.path).runtimes?.[name];
	if (there === undefined || isRuntimeAt(there, files.program)) return;
	throw new BirthmarkError('setup-failed', `the runtime ${name} in ${daemonFile.path} is not ${files.program}; name the directory in which it was installed with --directory, or another runtime with --name; nothing was changed`);
}

/** What is in daemon.json, or was to be when somebody ended the last run in the middle of {@link restore}. */
function readBefore({ daemonFile, notes }: SetupDeps): string | undefined {
	const text = daemonFile.read();
	const { unfinished } = notes.read() ?? {};
	return unfinished !== undefined && unfinished.aloud === text ? unfinished.text : text;
}

/**
 * Writes it twice: first with what the engine is to forget said aloud, for it to read, then as it is to be.
 *
 * @param text undefined for no file at all
 * @param stock the default runtime, where the text names none
 */
async function restore(deps: SetupDeps, note: SetupNotes, text: string | undefined, stock: string, isSo: () => Promise<boolean>): Promise<boolean> {
	const { daemonFile, notes } = deps;
	const isNothing = text === undefined || (note.madeFile && /^\{\s*\}\s*$/.test(text));
	const aloud = saidAloud(text ?? EMPTY, daemonFile.path, stock);
	await notes.write({ ...note, unfinished: { aloud, ...(!isNothing && { text }) } });
	await daemonFile.write(aloud);
	try {
		deps.reload();
		return await deps.eventually(isSo);
	} finally {
		if (isNothing) daemonFile.remove();
		else await daemonFile.write(text);
	}
}

function cleanUp({ daemonFile, files, notes }: SetupDeps, note: SetupNotes): void {
	daemonFile.removeBackups(note.backups);
	notes.remove();
	files.remove();
}

async function isGone({ look }: SetupDeps, { name, program }: SetupNotes): Promise<boolean> {
	const { runtimes, defaultRuntime } = await look();
	return !isRuntimeAt(runtimes[name], program) && defaultRuntime !== name;
}

async function isInForce(deps: Pick<SetupDeps, 'look' | 'isEnforced'>, { name, program, isDefault, plugin }: WantedRuntime): Promise<boolean> {
	const { runtimes, defaultRuntime } = await deps.look();
	return isRuntimeAt(runtimes[name], program) && (!isDefault || defaultRuntime === name) && (plugin === undefined || (await deps.isEnforced()));
}

/** What an undo has to know, also after several runs: what was there before the first. */
function noteOf({ daemonFile, notes }: SetupDeps, { name, program, plugin }: WantedRuntime, before: string | undefined): SetupNotes {
	const { runtimes, defaultRuntime, chain } = readSettings(before ?? EMPTY, daemonFile.path);
	const earlier = notes.read();
	const defaultBefore = defaultRuntime === name ? earlier?.defaultBefore : defaultRuntime;
	const added = earlier?.plugin ?? (plugin !== undefined && !isInChain(chain ?? [], plugin) ? plugin : undefined);
	return {
		version: 1, name, program,
		...(defaultBefore !== undefined && { defaultBefore }),
		...(added !== undefined && { plugin: added }),
		keys: earlier?.keys ?? [...(runtimes ? ['runtimes'] : []), ...(chain ? ['authorization-plugins'] : [])],
		madeFile: earlier?.madeFile ?? before === undefined,
		backups: [...(earlier?.backups ?? []), ...(before === undefined ? [] : [daemonFile.backUp(before)])],
	};
}

function shorten(names: readonly string[]): string {
	const more = names.length - 5;
	return names.slice(0, 5).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
