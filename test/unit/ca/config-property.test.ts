/** The CA's configuration: what holds for every file and every environment. */

import test from 'ava';
import { deepEqual, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { readCaConfig, type CaConfig } from '../../../ca/config.ts';
import { holds } from '../../support/property.ts';

type Tree = { [key: string]: unknown };

const DEFAULTS = readCaConfig('{}', {}) as unknown as Tree;
const VARIABLES = leaves(DEFAULTS).map((path) => `BIRTHMARK_CA_${path.join('_').replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`);

function leaves(value: Tree, prefix: readonly string[] = []): string[][] {
	return Object.entries(value).flatMap(([key, inner]) => (isTree(inner) ? leaves(inner, [...prefix, key]) : [[...prefix, key]]));
}

function isTree(value: unknown): value is Tree {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isFrozen(value: unknown): boolean {
	return typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen));
}

/** The configuration, or undefined when it was refused; whatever else is thrown is a fault. */
function attempt(text: string, environment: Record<string, string> = {}): CaConfig | undefined {
	try {
		return readCaConfig(text, environment);
	} catch (error) {
		ok(error instanceof BirthmarkError && error.code === 'config-invalid', String(error));
		return undefined;
	}
}

test('any text is a configuration or a fault that is told, and what is read is frozen', (t) => {
	holds(t, 500, fc.property(fc.oneof(fc.string(), fc.json(), fc.constant('{"__proto__": {"logLevel": "debug"}}')), (text) => {
		const config = attempt(text);
		if (config) ok(isFrozen(config));
	}));
});

test('a key that does not exist is refused wherever it stands', (t) => {
	const sections = ['', ...Object.keys(DEFAULTS).filter((key) => isTree(DEFAULTS[key]))];
	holds(t, 500, fc.property(fc.constantFrom(...sections), fc.string({ minLength: 1 }), fc.jsonValue(), (section, key, value) => {
		const inner = section === '' ? DEFAULTS : DEFAULTS[section] as Tree;
		// JSON.stringify does not write an own "__proto__" that was assigned.
		fc.pre(!Object.hasOwn(inner, key) && key !== '__proto__' && attempt(JSON.stringify(section === '' ? {} : { [section]: {} })) !== undefined);
		const text = JSON.stringify(section === '' ? { [key]: value } : { [section]: { [key]: value } });
		// A section that settings of any name may stand in takes it; every other has to refuse.
		const config = attempt(text) as unknown as Tree | undefined;
		ok(config === undefined || section === '' || Object.hasOwn(config[section] as Tree, key), text);
		ok(config === undefined || section !== '' || key in config, text);
	}));
});

test('what was read, written again, is read as the same', (t) => {
	const number = fc.oneof(fc.integer({ min: -5, max: 100_000 }), fc.double());
	const tree = fc.record({
		tokenTtlSeconds: number,
		redemptionWindowSeconds: number,
		backdateSeconds: number,
		listen: fc.record({ host: fc.string(), port: fc.integer({ min: -1, max: 70_000 }) }, { requiredKeys: [] }),
		crl: fc.record({ refreshSeconds: number, lifetimeSeconds: number }, { requiredKeys: [] }),
		environment: fc.oneof(fc.string(), fc.stringMatching(/^[a-z]{1,10}$/)),
		trustDomain: fc.oneof(fc.string(), fc.domain()),
	}, { requiredKeys: [], noNullPrototype: true });
	holds(t, 1000, fc.property(tree, (value) => {
		const config = attempt(JSON.stringify(value));
		if (config) deepEqual(readCaConfig(JSON.stringify(config), {}), config);
	}));
});

test('any environment overrides or is refused, and never with anything but a fault that is told', (t) => {
	const name = fc.oneof(fc.constantFrom(...VARIABLES), fc.stringMatching(/^BIRTHMARK_CA_[A-Z_]{0,20}$/));
	const text = fc.oneof(fc.string(), fc.nat().map(String), fc.constantFrom('', '0', '007', '1e3', 'debug', 'true', '__proto__', 'tcp://10.0.0.1:33004'));
	holds(t, 500, fc.property(fc.dictionary(name, text, { maxKeys: 4 }), (environment) => {
		const config = attempt('{}', environment);
		if (config) ok(isFrozen(config));
	}));
});
