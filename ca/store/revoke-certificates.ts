/**
 * Revoking certificates within the transaction of a decision: the one place that does. Each time
 * counts up `revocations`, and what was revoked then carries that number (`revocation_version`), by
 * which a published list knows whether it has everything.
 */

import type { RevocationReason } from '#common/protocol/messages.ts';
import { bump } from './counters.ts';
import type { Parameters, Sql } from './database.ts';

/**
 * What ended this short ago may be alive, if it is the clock that is ahead. All that ever ended would be
 * too much for one transaction where a node is cut off that had a hundred thousand containers.
 */
const DOUBT_MS = 7 * 24 * 3600 * 1000;
const NEXT_VERSION = `(SELECT value + 1 FROM counters WHERE name = 'revocations')`;

/**
 * Revokes what matches and is live, or has ended not long ago: on a list that is only as long as the
 * clock says that it was revoked in the future, because then it is not sure that it has ended.
 *
 * With `keyCompromise` it goes by the keys of everything that matches, dead or alive: no certificate
 * over one of them stays valid, those that were revoked for another reason get this one, and
 * `insertCertificate` never takes one of these keys again.
 *
 * @param condition on the table `certificates`, with the parameters `parameters`
 * @param doubtMs how long ago it may have ended
 * @returns how many certificates were live until now
 */
export async function revokeCertificates(sql: Sql, condition: string, parameters: Parameters, reason: RevocationReason, now: Date, doubtMs = DOUBT_MS): Promise<number> {
	const bound = { ...parameters, reason, now: now.getTime(), doubtful: now.getTime() - doubtMs };
	const isCompromise = reason === 'keyCompromise';
	if (isCompromise) await sql.run(blockKeys(condition), bound);
	const reached = isCompromise ? sameKeys(condition) : condition;
	const renamed = isCompromise ? await sql.run(correctReason(reached), bound) : 0;
	const revoked = await sql.run(revokeLive(reached), bound);
	const doubtful = doubtMs > 0 ? await sql.run(revokeDoubtful(reached), bound) : 0;
	if (renamed + revoked + doubtful > 0) await bump(sql, 'revocations');
	return revoked;
}

const revokeWhere = (condition: string, life: string): string => `
	UPDATE certificates SET revoked_at = :now, revocation_reason = :reason, revocation_version = ${NEXT_VERSION}
	WHERE (${condition}) AND role <> 'ca' AND revoked_at IS NULL AND ${life}`;
const revokeLive = (condition: string): string => revokeWhere(condition, 'not_after > :now');
const revokeDoubtful = (condition: string): string => revokeWhere(condition, 'not_after <= :now AND not_after > :doubtful');
const correctReason = (condition: string): string => `
	UPDATE certificates SET revocation_reason = :reason, revocation_version = ${NEXT_VERSION}
	WHERE (${condition}) AND role <> 'ca' AND revoked_at IS NOT NULL AND revocation_reason <> :reason`;
const blockKeys = (condition: string): string => `
	INSERT INTO compromised_keys (public_key_hash, revoked_at)
	SELECT DISTINCT public_key_hash, CAST(:now AS BIGINT) FROM certificates WHERE (${condition}) AND role <> 'ca'
	ON CONFLICT DO NOTHING`;
const sameKeys = (condition: string): string => `public_key_hash IN (SELECT public_key_hash FROM certificates WHERE (${condition}) AND role <> 'ca')`;
