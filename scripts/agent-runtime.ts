/**
 * The runtime as the agent gets it: Bun's executable with a habit taken out that would reach the
 * application, and with what patchelf forgets. Bytes are replaced by as many others, so that no offset
 * changes.
 */

import { StepError } from './steps.ts';

/**
 * At its start the runtime raises the soft limit of open files to the hard one, which every child
 * inherits, and which breaks programs that count on 1024 (select(2)) or close all that there could be.
 * As a name of the dynamic linker: the call that would set a limit asks for it.
 */
const RAISES_LIMIT = '\0setrlimit\0';
const ASKS_FOR_LIMIT = '\0getrlimit\0';

/** @throws StepError when this version of the runtime does it in another way */
export function withoutRaisedLimit(runtime: Buffer): Buffer {
	let position = runtime.indexOf(RAISES_LIMIT);
	if (position === -1) throw new StepError('the runtime calls no setrlimit any more', 'see what this version of Bun does to the limit of open files, then adapt scripts/agent-runtime.ts');
	for (; position !== -1; position = runtime.indexOf(RAISES_LIMIT, position)) runtime.write(ASKS_FOR_LIMIT, position, 'latin1');
	return runtime;
}

/** Section types and the tag of the dynamic section, elf.h. */
const SHT_DYNAMIC = 6;
const SHT_GNU_VERDEF = 0x6fff_fffd;
const DT_VERDEF = 0x6fff_fffcn;

/**
 * Points the loader to the versions that the executable defines: patchelf up to 0.18 moves them, and leaves
 * the entry as it was, which ends the arm64 executable with SIGSEGV before it begins.
 *
 * @param elf of 64 bits, little-endian (System V ABI, chapters 4 and 5)
 */
export function repairVersionDefinitions(elf: Buffer): Buffer {
	const sections = Array.from({ length: elf.readUInt16LE(0x3c) }, (_, index) => Number(elf.readBigUInt64LE(0x28)) + index * elf.readUInt16LE(0x3a));
	const ofType = (type: number): number | undefined => sections.find((section) => elf.readUInt32LE(section + 4) === type);
	const [dynamic, definitions] = [ofType(SHT_DYNAMIC), ofType(SHT_GNU_VERDEF)];
	if (dynamic === undefined || definitions === undefined) return elf;
	const start = Number(elf.readBigUInt64LE(dynamic + 0x18));
	const size = Number(elf.readBigUInt64LE(dynamic + 0x20));
	for (let entry = start; entry < start + size; entry += 16) {
		if (elf.readBigUInt64LE(entry) === DT_VERDEF) elf.writeBigUInt64LE(elf.readBigUInt64LE(definitions + 0x10), entry + 8);
	}
	return elf;
}
