/** The part of Bun's foreign function interface that agent/reap.ts uses. */
declare module 'bun:ffi' {
	export const FFIType: { readonly i32: number; readonly u32: number; readonly ptr: number };
	export function ptr(view: ArrayBufferView): number;
	export function dlopen<Name extends string>(
		library: string,
		functions: Record<Name, { readonly args: readonly number[]; readonly returns: number }>,
	): { readonly symbols: Record<Name, (...args: readonly number[]) => number> };
}
