/** `birthmark ca rotate` and `birthmark ca status`: the keys of a CA that runs. */

import { readFileSync } from 'node:fs';
import { Argument, type Command } from 'commander';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { RotationLaggards, RotationRequest, RotationStatus } from '#common/protocol/messages.ts';
import { printable } from '#common/protocol/names.ts';
import { decryptSigningKey } from '#common/x509/encrypted-key.ts';
import { exportSigningKey } from '#common/x509/keys.ts';
import type { Context } from '../context.ts';
import { formatSpan, formatTable } from '../output.ts';

type Step = 'start' | 'status' | 'activate' | 'abort' | 'finish';

interface Options {
	readonly intermediate?: boolean;
	readonly compromised?: boolean;
	readonly yes?: boolean;
	readonly manual?: boolean;
	readonly force?: boolean;
	readonly rootKey?: string;
	readonly passphraseFile?: string;
}

const COMPROMISED = 'with --compromised every certificate and every token is void at once, nodes and operators have to join again and containers to be created again; if that is meant, add --yes';

/** Below `ca`, which is there already. */
export function addCaRotate(program: Command, context: Context): void {
	const ca = program.commands.find((command) => command.name() === 'ca')!;
	const show = (status: RotationStatus): void => {
		if (context.wantsJson()) context.output.json(status);
		else context.output.line(describe(status, context.now()));
	};
	const status = async (): Promise<void> => show(await context.ca().json<RotationStatus>('GET', '/v1/rotation'));

	ca
		.command('status')
		.description('the CA\'s keys, and where a rotation stands')
		.option('--json', 'print JSON')
		.action(status);

	ca
		.command('rotate')
		.description('replace the keys of the CA without a failed handshake')
		.addArgument(new Argument('[step]').choices(['start', 'status', 'activate', 'abort', 'finish']).default('start'))
		.option('--intermediate', 'start: only the intermediate, under the same root')
		.option('--manual', 'start: every step waits for an operator')
		.option('--compromised', 'start: the keys are in other hands; everything under them is void at once')
		.option('--yes', 'with --compromised: it is meant')
		.option('--root-key <file>', 'start: the root\'s key, when it is kept off line')
		.option('--passphrase-file <file>', 'with --root-key: what it is encrypted under')
		.option('--force', 'activate, finish: also when identities are cut off')
		.option('--json', 'print JSON')
		.action(async (step: Step, options: Options) => {
			if (step === 'status') return status();
			const path = step === 'start' ? '/v1/rotation' : `/v1/rotation/${step}`;
			const body = step === 'start' ? await startRequest(options) : step === 'abort' ? {} : { force: options.force ?? false };
			show(await context.ca().json<RotationStatus>('POST', path, body));
		});
}

async function startRequest({ intermediate, compromised, yes, manual, rootKey, passphraseFile }: Options): Promise<RotationRequest> {
	if (compromised && !yes) throw new BirthmarkError('usage', COMPROMISED);
	return {
		changes: intermediate ? 'intermediate' : 'root',
		...(compromised && { isCompromised: true }),
		...(manual && { isManual: true }),
		...(rootKey !== undefined && { rootKey: await readRootKey(rootKey, passphraseFile) }),
	};
}

async function readRootKey(path: string, passphraseFile: string | undefined): Promise<string> {
	if (passphraseFile === undefined) throw new BirthmarkError('usage', '--root-key wants --passphrase-file');
	return exportSigningKey(await decryptSigningKey(read(path), Buffer.from(read(passphraseFile).trim())));
}

function read(path: string): string {
	try {
		return readFileSync(path, 'utf8');
	} catch (cause) {
		throw new BirthmarkError('usage', `${path} cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
	}
}

const NEXT: Readonly<Record<RotationStatus['stage'], string>> = {
	idle: 'no rotation is under way',
	prepared: 'the new keys are made and published; the old ones still issue everything',
	retiring: 'the new keys issue everything; certificates of the old ones are still in use',
};

function describe(status: RotationStatus, now: Date): string {
	const { stage, digest, generations, changes, isManual, settledAt, withoutBundle, underOld } = status;
	const left = (instant: string): string => formatSpan(Date.parse(instant) - now.getTime());
	const rows = generations.map((each) => [
		String(each.generation), each.state, each.root.slice(0, 16), left(each.rootNotAfter), left(each.intermediateNotAfter), each.hasRootKey ? 'encrypted, here' : 'off line',
	]);
	const lines = [
		`trust bundle  ${digest}`,
		formatTable(['GENERATION', 'STATE', 'ROOT', 'ROOT ENDS IN', 'INTERMEDIATE ENDS IN', 'ROOT KEY'], rows),
		`${changes === undefined ? '' : `rotation of the ${changes}: `}${NEXT[stage]}`,
	];
	if (withoutBundle) lines.push(...laggards('have not acknowledged the new trust bundle', withoutBundle));
	if (underOld) lines.push(...laggards('use certificates of the old keys', underOld));
	if (stage !== 'idle') {
		const step = stage === 'prepared' ? 'activate' : 'finish';
		const when = settledAt !== undefined && Date.parse(settledAt) > now.getTime() ? ` not before ${settledAt}` : '';
		lines.push(isManual ? `next: birthmark ca rotate ${step}${when}` : `next: ${step}, by itself as soon as nobody is cut off by it${when}`);
	}
	return lines.join('\n');
}

function laggards(what: string, { count, first, lastNotAfter }: RotationLaggards): string[] {
	if (count === 0) return [`0 identities ${what}`];
	const names = first.map(({ role, commonName }) => `${role} ${printable(commonName)}`).join(', ');
	return [`${count} identities ${what}: ${names}${count > first.length ? ', …' : ''}`, ...(lastNotAfter === undefined ? [] : [`  the last of them ends ${lastNotAfter}`])];
}
