// The document: the original file, what is painted, and what was repaired. Steps can be undone:
//   {kind: "mark", mark}   {kind: "clear", before}   {kind: "repair", before, after, parts}
// A part keeps its line of the server's answer unchanged.

export class Document {
  marks = [];
  #done = [];
  #undone = [];

  add(mark) {
    this.marks = [...this.marks, mark];
    this.#push({ kind: "mark", mark });
  }

  clear() {
    this.#push({ kind: "clear", before: this.marks });
    this.marks = [];
  }

  /** Add the finished parts of a repair; `after` are the remaining marks. */
  repaired(parts, after) {
    this.#push({ kind: "repair", before: this.marks, after, parts });
    this.marks = after;
  }

  undo() {
    const step = this.#done.pop();
    if (!step) return;
    this.#undone.push(step);
    this.marks = step.kind === "mark" ? this.marks.slice(0, -1) : step.before;
  }

  redo() {
    const step = this.#undone.pop();
    if (!step) return;
    this.#done.push(step);
    if (step.kind === "mark") this.marks = [...this.marks, step.mark];
    else this.marks = step.kind === "clear" ? [] : step.after;
  }

  get parts() {
    return this.#done.flatMap((step) => step.parts ?? []);
  }

  /** The lines of all parts, for the server to lay over the original. */
  get edits() {
    return this.parts.map((part) => part.line).join("\n");
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  #push(step) {
    this.#done.push(step);
    this.#undone = [];
  }
}
