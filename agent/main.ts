/** The agent in the container: wires the commands. Everything it needs is in this folder and in node:. */

import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { printable } from '#common/protocol/names.ts';
import { VERSION } from '#common/protocol/version.ts';
import { IDENTITY_DIRECTORY } from '#common/protocol/volume-files.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { createLogger, LOG_LEVELS } from '#common/runtime/log.ts';
import { readSettings } from './agent-file.ts';
import { readCaAddresses, relayAddress } from './ca-address.ts';
import { createCaClient } from './ca-client.ts';
import { bundleCheckSeconds, HELP, parseCommandLine, type CommandLine } from './command-line.ts';
import { confineToWorkingDirectory } from './confine.ts';
import { watchDemands } from './demand.ts';
import { requireDirectory, tokenPath } from './directory.ts';
import { enrol } from './enrol.ts';
import { execWithIdentity } from './exec.ts';
import { ExitCode, exitCodeFor, exitCodeForSignal } from './exit-codes.ts';
import { createBundleFollower } from './follow-bundle.ts';
import { keepIdentity } from './keep.ts';
import { judgeHealth, type Health } from './health.ts';
import { publicationFrom } from './publication.ts';
import { reloadingFrom } from './reload.ts';
import { renew, requireIdentity } from './renew.ts';
import { retryWhileUnavailable } from './retry.ts';
import { Interrupted, routeSignals } from './signals.ts';
import { collectGarbage, systemSleep } from './sleep.ts';
import { describeStatus, formatStatus } from './status.ts';
import { publishedAt } from './store.ts';
import { isNotExecutable } from './supervise.ts';

async function run(line: CommandLine): Promise<number> {
	// Before anything in the directory is looked at.
	if (line.user) confineToWorkingDirectory(line.user);
	const { directory, timeoutSeconds } = line;
	if (line.command === 'help' || line.command === 'version') {
		process.stdout.write(line.command === 'help' ? HELP : `birthmark-agent ${VERSION}\n`);
		return ExitCode.ok;
	}
	if (line.command === 'status') {
		const status = describeStatus(directory, requireIdentity(directory), publishedAt(directory), systemClock);
		process.stdout.write(line.json ? JSON.stringify(status) + '\n' : formatStatus(status));
		return status.expiresInSeconds > 0 ? ExitCode.ok : ExitCode.noIdentity;
	}
	if (line.command === 'health') return health(directory);
	const signals = routeSignals(process, () => process.stdin.isTTY === true);
	// What runs in the network of the node goes nowhere else, whatever the container has written into agent.json.
	const ca = createCaClient(line.user ? [relayAddress(directory)] : readCaAddresses(directory, line.caUrl));
	const logger = createLogger('agent', logLevel(), (text) => void standardError().write(`${text}\n`));
	const settings = readSettings(directory);
	const deps = {
		ca,
		signals,
		clock: systemClock,
		random: Math.random,
		sleep: systemSleep,
		tidyUp: collectGarbage,
		bundleCheckSeconds: bundleCheckSeconds(process.env),
		publication: publicationFrom(settings),
		watchDemands: (watched: string) => watchDemands(watched, logger),
		logger,
	};
	const options = { directory, tokenPath: tokenPath(directory, line.tokenFile), timeoutSeconds };
	const signal = signals.interruption;
	switch (line.command) {
		case 'exec':
			return execWithIdentity({ ...options, reloading: reloadingFrom(settings) }, line.application, deps);
		case 'keep':
			return keepIdentity({ ...options, signal: AbortSignal.any([signal, endOfInput()]) }, { ...deps, publication: { ...deps.publication, seenAt: IDENTITY_DIRECTORY }, onReady: () => void process.stdout.write('ready\n') });
		case 'once':
			await enrol({ ...options, signal }, deps);
			if (settings.reload !== undefined || settings.port !== undefined) logger.warn('birthmark.reload and birthmark.port are for "birthmark-agent exec", which stays: nobody tells this application of its next certificate');
			return ExitCode.ok;
		case 'renew': {
			requireDirectory(directory);
			const deadline = new Date(systemClock.now().getTime() + timeoutSeconds * 1000);
			await retryWhileUnavailable(() => renew(directory, signal, deps), deadline, signal, deps);
			await createBundleFollower(directory, deps)(signal);
			return ExitCode.ok;
		}
	}
}

/** Whatever is the matter, to the engine it is one of two codes and the line that it keeps. */
function health(directory: string): number {
	let found: Health;
	try {
		found = judgeHealth(requireIdentity(directory), publishedAt(directory), systemClock);
	} catch (error) {
		if (!(error instanceof BirthmarkError)) throw error;
		found = { isHealthy: false, sentence: error.message };
	}
	process.stdout.write(`${printable(found.sentence)}\n`);
	return found.isHealthy ? ExitCode.ok : ExitCode.unhealthy;
}

/** Aborted when whoever started this process has ended, by whichever signal. */
function endOfInput(): AbortSignal {
	const controller = new AbortController();
	const end = (): void => controller.abort(new Interrupted('SIGHUP'));
	process.stdin.on('end', end).on('error', end).resume();
	return controller.signal;
}

/** An unknown level is no reason to keep an application from starting. */
function logLevel() {
	return LOG_LEVELS.find((level) => level === process.env['BIRTHMARK_LOG']) ?? 'warn';
}

/** One plain sentence for people; the exit code for programs. */
function fail(error: unknown): number {
	if (error instanceof Interrupted) return exitCodeForSignal(error.signal);
	const code = errorCode(error);
	const message = error instanceof Error ? error.message : String(error);
	const sentence = error instanceof BirthmarkError ? message : `unexpected failure: ${message}`;
	// Parts of it can come from a server that has not proved yet who it is: one line, whatever it says.
	standardError().write(`birthmark: ${printable(sentence.replaceAll('\n', ' '))} [${code}]\n`);
	if (error instanceof BirthmarkError && code === 'application-not-started') {
		return isNotExecutable(error) ? ExitCode.notExecutable : ExitCode.notFound;
	}
	return exitCodeFor(code);
}

/** To be asked for when something is to be said: the runtime takes more than a millisecond to make it. */
function standardError(): NodeJS.WriteStream {
	const { stderr } = process;
	// A log that nobody reads any more must not end the application.
	if (stderr.listenerCount('error') === 0) stderr.on('error', () => {});
	return stderr;
}

async function main(): Promise<void> {
	let code: number;
	try {
		code = await run(parseCommandLine(process.argv.slice(2), process.env));
	} catch (error) {
		code = fail(error);
	}
	process.exit(code);
}

void main();
