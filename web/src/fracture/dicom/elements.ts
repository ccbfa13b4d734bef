// The elements of a DICOM data set, and of their values only those that a film needs.

import type { Element } from "dicom-parser";

import { text } from "../film/sniff";
import { type Keyword, KINDS, TAGS } from "./tags";

/** The elements of a data set or of an item of a sequence. */
export class Elements {
  constructor(
    readonly data: Uint8Array,
    readonly syntax: string,
    readonly isImplicit: boolean,
    readonly isLittle: boolean,
    private readonly elements: Record<string, Element>,
  ) {}

  has(keyword: Keyword): boolean {
    return TAGS[keyword] in this.elements;
  }

  /** A value's bytes, none without it. */
  bytes(keyword: Keyword): Uint8Array {
    const element = this.element(keyword);
    if (!element || element.hadUndefinedLength) return new Uint8Array(0);
    return this.data.subarray(element.dataOffset, element.dataOffset + element.length);
  }

  element(keyword: Keyword): Element | undefined {
    return this.elements[TAGS[keyword]];
  }

  /** Text without the padding at its end. */
  text(keyword: Keyword): string {
    const bytes = this.bytes(keyword);
    return text(bytes, 0, bytes.length).replace(/[\0 ]+$/, "");
  }

  /** A code string (PS3.5 6.2); "" where the file holds anything else. */
  code(keyword: Keyword): string {
    const value = this.text(keyword);
    return /^[A-Z0-9_ ]{1,16}$/.test(value) ? value : "";
  }

  /** Decimal or integer strings; NaN for an empty one, none without it. */
  decimals(keyword: Keyword): number[] {
    this.checkKind(keyword);
    const value = this.text(keyword);
    if (!this.has(keyword) || value === "") return [];
    return value.split("\\").map((part) => {
      const trimmed = part.trim();
      if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed)) throw new Error("number");
      return Number(trimmed);
    });
  }

  /** A number of 16 bits, as its representation or the pixels' has them. */
  shorts(keyword: Keyword, isSigned = false): number[] {
    this.checkKind(keyword);
    const bytes = this.bytes(keyword);
    if (bytes.length % 2) throw new Error("length");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const vr = this.isImplicit ? (isSigned ? "SS" : "US") : this.element(keyword)?.vr;
    return Array.from({ length: bytes.length / 2 }, (_, i) =>
      vr === "SS" ? view.getInt16(i * 2, this.isLittle) : view.getUint16(i * 2, this.isLittle),
    );
  }

  /** An unsigned number that must be there. */
  count(keyword: Keyword, missing?: number): number {
    const values = this.has(keyword) ? this.shorts(keyword) : [];
    const value = values.length ? values[0] : missing;
    if (value === undefined || values.length > 1) throw new Error(keyword);
    return value;
  }

  /** The first item of a sequence. */
  item(keyword: Keyword): Elements | undefined {
    const items = this.element(keyword)?.items;
    const inner = items?.[0]?.dataSet?.elements;
    const { data, syntax, isImplicit, isLittle } = this;
    return inner && new Elements(data, syntax, isImplicit, isLittle, inner);
  }

  private checkKind(keyword: Keyword): void {
    const kind = this.element(keyword)?.vr;
    if (!this.isImplicit && kind && !KINDS[keyword]?.includes(kind)) throw new Error(kind);
  }
}
