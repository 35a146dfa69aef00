/** `birthmark rotate`: new keys and certificates for running containers, now; not those of the CA, which is `birthmark ca rotate`. */

import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidArgumentError, type Command } from 'commander';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import type { Identity, RevokeAnswer } from '#common/protocol/messages.ts';
import type { RenewalDemand, RenewalDemandRequest } from '#common/protocol/renewal-demands.ts';
import { containerId, lookUp } from '../containers.ts';
import type { Context } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { formatTable } from '../output.ts';

const DEFAULT_TIMEOUT_SECONDS = 60;
const MAX_TIMEOUT_SECONDS = 3600;
/** A renewal takes some 50 ms; a large fleet takes longer, and is asked about less often. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 1000;

interface Options {
	readonly cn?: string;
	readonly serial?: string;
	readonly node?: string;
	readonly all?: boolean;
	readonly revokeOld?: boolean;
	readonly wait: boolean;
	readonly timeout: number;
}

export function addRotate(program: Command, context: Context): void {
	program
		.command('rotate')
		.description('have running containers renew their key and certificate now, and wait until they have')
		.argument('[container]', 'its name, its id or the beginning of it')
		.option('--cn <name>', 'all of one name')
		.option('--serial <serial>', 'the one that uses this certificate, or one that renewed it')
		.option('--node <name>', 'all that a node authorized')
		.option('--all', 'all containers')
		.option('--revoke-old', 'revoke what was replaced; only for applications that take up a new certificate by themselves')
		.option('--no-wait', 'do not wait until they have')
		.option('--timeout <seconds>', 'how long to wait', toSeconds, DEFAULT_TIMEOUT_SECONDS)
		.option('--json', 'print JSON')
		.action(async (container: string | undefined, options: Options) => {
			const request = await toRequest(context, container, options);
			if (options.revokeOld && !options.wait) throw new BirthmarkError('usage', '--revoke-old waits until the new certificates are there: leave out --no-wait');
			const ca = context.ca();
			const demand = await ca.json<RenewalDemand>('POST', '/v1/renewal-demands', request);
			const outcome = options.wait ? await settle(context, demand, options.timeout) : demand;
			const revoked = options.revokeOld && outcome.renewed > 0 ? (await ca.json<RevokeAnswer>('POST', `/v1/renewal-demands/${demand.number}/revocation`, {})).revoked : undefined;
			if (options.wait && outcome.pending + outcome.over > 0) process.exitCode = ExitCode.failed;
			// Of nobody but "all" it can be true that there is nobody.
			if (total(outcome) === 0 && !options.all) process.exitCode = ExitCode.notFound;
			if (context.wantsJson()) context.output.json({ ...outcome, ...(revoked !== undefined && { revoked }) });
			else describe(context, outcome, options.wait, revoked);
		});
}

function toSeconds(text: string): number {
	const seconds = /^\d{1,4}$/.test(text) ? Number(text) : 0;
	if (seconds < 1 || seconds > MAX_TIMEOUT_SECONDS) throw new InvalidArgumentError(`use whole seconds from 1 to ${MAX_TIMEOUT_SECONDS}`);
	return seconds;
}

async function toRequest(context: Context, container: string | undefined, { cn, serial, node, all }: Options): Promise<RenewalDemandRequest> {
	if ([container, cn, serial, node, all].filter((given) => given !== undefined).length !== 1) {
		throw new BirthmarkError('usage', 'name exactly one of: a container, --cn, --serial, --node, --all');
	}
	if (container !== undefined) return { containerId: await containerId(lookUp(context), container) };
	return { ...(cn !== undefined && { commonName: cn }), ...(serial !== undefined && { serial }), ...(node !== undefined && { node }), ...(all && { all }) };
}

/** Waits until none is pending any more, or the time is over. */
async function settle(context: Context, demand: RenewalDemand, seconds: number): Promise<RenewalDemand> {
	const ca = context.ca();
	const end = performance.now() + seconds * 1000;
	let last = demand;
	for (let pause = FIRST_PAUSE_MS; last.pending > 0 && performance.now() < end; pause = Math.min(pause * 1.5, LAST_PAUSE_MS)) {
		context.output.progress(`${last.renewed} of ${total(last)} renewed`);
		await sleep(Math.min(pause, Math.max(0, end - performance.now())));
		try {
			last = await ca.json<RenewalDemand>('GET', `/v1/renewal-demands/${demand.number}`);
		} catch (error) {
			// It has the demand, and may be back in time.
			if (errorCode(error) !== 'ca-unavailable' || performance.now() >= end) throw error;
		}
	}
	context.output.progress('');
	return last;
}

function describe(context: Context, outcome: RenewalDemand, hasWaited: boolean, revoked: number | undefined): void {
	const { output } = context;
	const { renewed, pending, over, notRenewed } = outcome;
	if (total(outcome) === 0) return output.line('nothing to renew: no container with a live certificate matches');
	if (!hasWaited) return output.line(`asked ${count(total(outcome))} to renew`);
	output.line(`renewed ${renewed} of ${count(total(outcome))}${revoked === undefined ? '' : `; revoked ${revoked} that were replaced`}`);
	if (pending > 0) output.line(`${pending} did not renew in time; they will when they can, and at once when they are back`);
	if (over > 0) output.line(`${over} ended or were revoked meanwhile`);
	if (notRenewed.length > 0) output.line(formatTable(['CN', 'ROLE', 'STATE', 'SERIAL', 'NODE', 'CONTAINER'], notRenewed.map(row)));
}

function row({ commonName, organizationalUnit, status, serial, node = '', containerName, containerId: id }: Identity): string[] {
	return [commonName, organizationalUnit, status, serial, node, [containerName, id?.slice(0, 12)].filter(Boolean).join(' ')];
}

function total({ renewed, pending, over }: RenewalDemand): number {
	return renewed + pending + over;
}

function count(containers: number): string {
	return `${containers} container${containers === 1 ? '' : 's'}`;
}
