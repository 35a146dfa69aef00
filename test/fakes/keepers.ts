/** The agents that the node runs for containers, without processes. */

import type { Keepers } from '../../plugin/volume/keepers.ts';

export class FakeKeepers implements Keepers {
	/** volumes for which one runs */
	readonly running = new Set<string>();
	/** what is thrown instead of the next start */
	failure: Error | undefined;
	/** how long the last start had */
	withinMs: number | undefined;

	async start(...[{ volume }, , withinMs]: Parameters<Keepers['start']>): Promise<void> {
		this.withinMs = withinMs;
		const { failure } = this;
		this.failure = undefined;
		if (failure) throw failure;
		this.running.add(volume);
	}

	resume({ volume }: Parameters<Keepers['resume']>[0]): void {
		this.running.add(volume);
	}

	async stop(volume: string): Promise<void> {
		this.running.delete(volume);
	}

	async close(): Promise<void> {
		this.running.clear();
	}
}
