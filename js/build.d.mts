import type { Metafile } from 'esbuild'

/** Builds what a server gives out, into folder. */
export function buildForServer(folder: string): Promise<Metafile>
/** Builds what the package holds, into folder, or dist/. */
export function buildPackage(folder?: string): Promise<Metafile>
