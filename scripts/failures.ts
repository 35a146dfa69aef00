/** What failed, out of ava's output: a run is long, and its end is what people read. */

/** Passed, skipped, to do; ava prints one line for each. */
const NOTHING_WRONG = /^\s*(?:✔|-|◌) /;
/** Whatever a test printed for itself stands behind `ℹ`; a line that tells of a failure begins with one of these. */
const FAULT = /^\s*(?:✘|✖|Uncaught exception|Unhandled rejection)/;
/** Of one run. */
const MAX_LINES = 120;

/**
 * @param output ava's, without colours
 * @returns '' when nothing failed; else the faults by name, one a line, below what is known about them
 */
export function failuresIn(output: string): string {
	const lines = output.split('\n');
	const faults = lines.filter((line) => FAULT.test(line));
	if (faults.length === 0) return '';
	const details = lines.slice(lines.findIndex((line) => FAULT.test(line))).filter((line) => line.trim() !== '' && !NOTHING_WRONG.test(line) && !FAULT.test(line));
	return `\n${[...details.slice(0, MAX_LINES), ...faults].join('\n')}\n`;
}
