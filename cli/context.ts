/** What every command gets. */

import type { CaClient } from './ca-client.ts';
import type { Output } from './output.ts';

export interface Context {
	readonly output: Output;
	now(): Date;
	/** made on first use, so that commands without a CA work without a login */
	ca(): CaClient;
	/** `--json`, before the command or after it */
	wantsJson(): boolean;
}
