/** Counters, gauges and histograms in the text format of Prometheus, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). */

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export type Labels = Readonly<Record<string, string>>;

export interface Metric {
	/** lines of the format, each with its line feed */
	text(): string;
}

export interface Counter extends Metric {
	/** @param labels words from lists in the source: nobody can make them many */
	add(labels?: Labels): void;
	/** The same for one set of labels, for what happens often. */
	series(labels: Labels): () => void;
}

export function createCounter(name: string, help: string): Counter {
	const values = new Map<string, { count: number }>();
	const cell = (labels: Labels): { count: number } => {
		const key = labelText(labels);
		let value = values.get(key);
		if (!value) values.set(key, (value = { count: 0 }));
		return value;
	};
	return {
		add: (labels = {}) => void cell(labels).count++,
		series(labels) {
			const value = cell(labels);
			return () => void value.count++;
		},
		text: () => head(name, help, 'counter') + [...values].map(([labels, { count }]) => `${name}${labels} ${count}\n`).join(''),
	};
}

export interface Histogram extends Metric {
	observe(seconds: number): void;
}

/** @param buckets upper bounds, rising */
export function createHistogram(name: string, help: string, buckets: readonly number[]): Histogram {
	const counts = new Array<number>(buckets.length + 1).fill(0);
	let sum = 0;
	return {
		observe(seconds) {
			const at = buckets.findIndex((bound) => seconds <= bound);
			counts[at < 0 ? buckets.length : at]!++;
			sum += seconds;
		},
		text() {
			let total = 0;
			const lines = [...buckets, '+Inf'].map((bound, index) => `${name}_bucket{le="${bound}"} ${(total += counts[index]!)}\n`);
			return `${head(name, help, 'histogram')}${lines.join('')}${name}_sum ${sum}\n${name}_count ${total}\n`;
		},
	};
}

/** @param values now, by labels; a value that is not known is left out */
export function gaugeText(name: string, help: string, values: readonly (readonly [Labels, number | undefined])[], type: 'gauge' | 'counter' = 'gauge'): string {
	const lines = values.flatMap(([labels, value]) => (value === undefined ? [] : [`${name}${labelText(labels)} ${value}\n`]));
	return head(name, help, type) + lines.join('');
}

function head(name: string, help: string, type: string): string {
	return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function labelText(labels: Labels): string {
	const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`))}"`);
	return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
