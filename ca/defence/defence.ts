/** The blackhole as the rest of the CA uses it: who is shut out is said in the log and recorded in the audit log, once each time. */

import type { ErrorCode } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Refusals } from '../audit/refusals.ts';
import { SYSTEM } from '../store/records.ts';
import { createBlackhole, type Blackhole, type BlackholeDeps } from './blackhole.ts';
import type { Source } from './source.ts';

export interface Defence {
	readonly blackhole: Blackhole;
	onShutOut(source: Source, seconds: number, failure: ErrorCode): void;
}

export interface DefenceDeps extends BlackholeDeps {
	readonly refusals: Pick<Refusals, 'record'>;
	readonly logger: Pick<Logger, 'warn'>;
}

export function createDefence({ refusals, logger, ...deps }: DefenceDeps): Defence {
	return {
		blackhole: createBlackhole(deps),
		onShutOut({ kind, key }, seconds, failure) {
			logger.warn('source shut out', { reason: kind, source: key, seconds, code: failure });
			void refusals.record(SYSTEM, { action: 'source.shut-out', outcome: 'done', subject: key, details: { kind, seconds, code: failure } });
		},
	};
}
