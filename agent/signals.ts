/** The signals that people and engines send to a container, and what a terminal sends by itself. */

/** Everything that `docker kill --signal` and STOPSIGNAL are commonly used with. */
const FORWARDED: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT', 'SIGALRM'];
/**
 * What the kernel sends to the terminal's whole foreground process group, the application included.
 * The price: the same signal by `docker kill` to a container with a terminal is taken for a
 * keystroke, since nothing tells a process who sent it a signal.
 */
const SENT_BY_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set<NodeJS.Signals>(['SIGINT', 'SIGQUIT', 'SIGWINCH']);
/** Without an application these end the agent. */
const ENDING: ReadonlySet<NodeJS.Signals> = new Set<NodeJS.Signals>(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']);

/** The reason with which a signal ends what was going on. */
export class Interrupted extends Error {
	readonly signal: NodeJS.Signals;

	constructor(signal: NodeJS.Signals) {
		super(`interrupted by ${signal}`);
		this.signal = signal;
	}
}

export interface SignalRouter {
	/** aborted by SIGTERM, SIGINT, SIGHUP or SIGQUIT for as long as there is no receiver */
	readonly interruption: AbortSignal;
	/** From now on signals go here instead. */
	forwardTo(receive: (signal: NodeJS.Signals) => void): void;
}

/**
 * Takes over the signals of this process. Needed from the first moment: as PID 1 a process has no
 * default actions.
 *
 * @param isOnTerminal whether standard input is a terminal, which delivers Ctrl-C to the application by itself; asked when it matters
 */
export function routeSignals(process: Pick<NodeJS.Process, 'on'>, isOnTerminal: () => boolean): SignalRouter {
	const controller = new AbortController();
	let receiver: ((signal: NodeJS.Signals) => void) | undefined;
	for (const signal of FORWARDED) {
		process.on(signal, () => {
			if (receiver === undefined) {
				if (ENDING.has(signal)) controller.abort(new Interrupted(signal));
			} else if (!(SENT_BY_TERMINAL.has(signal) && isOnTerminal())) {
				receiver(signal);
			}
		});
	}
	return {
		interruption: controller.signal,
		forwardTo(receive) {
			receiver = receive;
			// It came after the last look at the interruption and before this moment.
			if (controller.signal.aborted) receive((controller.signal.reason as Interrupted).signal);
		},
	};
}
