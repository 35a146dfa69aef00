/** What became of a certificate with the application that is to serve it, in words. */

import type { Identity, ReloadOutcome } from '#common/protocol/messages.ts';

const SENTENCES: Readonly<Record<ReloadOutcome, string>> = {
	'verified': 'the application serves it',
	'unchecked': 'the application was told; without the label birthmark.port nobody looks what it serves',
	'mismatch': 'the application serves another certificate',
	'not-listening': 'nothing listens at birthmark.port',
	'no-answer': 'at birthmark.port somebody listens and does not answer',
	'no-tls': 'what listens at birthmark.port does not speak TLS',
	'handshake-failed': 'the application refuses the TLS handshake',
	'reload-failed': 'the application could not be told, see the log of the container',
};
const GOOD: readonly ReloadOutcome[] = ['verified', 'unchecked'];

/** For a column: `verified`, `mismatch (3)` with the number of tries, `pending` for a certificate of which nothing was told yet, `-` without reports. */
export function reloadWord({ reload, serial, status }: Pick<Identity, 'reload' | 'serial' | 'status'>): string {
	if (!reload) return '-';
	if (reload.serial !== serial) return status === 'live' ? 'pending' : '-';
	return GOOD.includes(reload.outcome) ? reload.outcome : `${reload.outcome} (${reload.attempts})`;
}

/** Its application was last known to be without the certificate that it should have. */
export function isReloadFailure({ reload }: Pick<Identity, 'reload'>): boolean {
	return reload !== undefined && !GOOD.includes(reload.outcome);
}

/** One sentence; undefined without reports. */
export function describeReload({ reload, serial }: Pick<Identity, 'reload' | 'serial'>): string | undefined {
	if (!reload) return undefined;
	const { outcome, attempts, at, servedSerial, verifiedSerial, verifiedAt } = reload;
	const about = reload.serial === serial ? '' : ` about ${reload.serial}, nothing yet about this one`;
	const served = servedSerial === undefined ? '' : `, ${servedSerial}`;
	const tries = GOOD.includes(outcome) && attempts === 1 ? '' : `, after ${attempts} ${attempts === 1 ? 'try' : 'tries'}`;
	const last = outcome === 'verified' || verifiedAt === undefined ? '' : `; last verified ${verifiedAt} (${verifiedSerial})`;
	return `${outcome}: ${SENTENCES[outcome]}${served} (${at}${tries}${about})${last}`;
}
