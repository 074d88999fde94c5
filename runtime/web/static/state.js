// The state of the page. The document lives here and nowhere else.

import { Document } from "./history.js";
import { Stage } from "./stage.js";

export const $ = (id) => document.getElementById(id);

export const stage = new Stage($("stage"));

export const page = {
  server: null, // the answer of /api/v1/info
  file: null,
  said: null, // the server's description of the file
  work: new Document(),
  state: "empty",
  screenSize: 24, // of the brush, in CSS pixels: constant while zooming
  abort: null,
  again: null, // the action of "Try again"
  offline: false,
  saved: true,
};

/** Whether the document cannot be changed now. */
export const locked = () => ["empty", "opening", "waiting", "running", "busy"].includes(page.state);
