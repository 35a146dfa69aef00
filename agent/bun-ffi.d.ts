/** The part of Bun's foreign function interface that is used here. */
declare module 'bun:ffi' {
	export const FFIType: { readonly i32: number; readonly u32: number; readonly u64: number; readonly ptr: number };
	export function ptr(view: ArrayBufferView): number;
	export function dlopen<Name extends string>(
		library: string,
		functions: Record<Name, { readonly args: readonly number[]; readonly returns: number }>,
	): { readonly symbols: Record<Name, (...args: readonly number[]) => number> };
}
