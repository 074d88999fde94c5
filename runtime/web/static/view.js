// Where the picture lies on the screen: `scale` CSS pixels for one of its pixels, and its corner.

const MOST = 32;
const MARGIN = 24;

export class View {
  scale = 1;
  x = 0;
  y = 0;
  ratio = 1; // of the device's pixels to CSS pixels
  width = 1; // of the stage
  height = 1;
  picture = { width: 1, height: 1 };
  fitted = true;

  resize(width, height, ratio) {
    const [right, down] = [(width - this.width) / 2, (height - this.height) / 2];
    Object.assign(this, { width, height, ratio });
    if (this.fitted) this.fit();
    else this.pan(right, down);
  }

  get fitScale() {
    const across = (this.width - MARGIN) / this.picture.width;
    const down = (this.height - MARGIN) / this.picture.height;
    return Math.min(across, down, 8);
  }

  fit() {
    this.scale = this.fitScale;
    this.x = (this.width - this.picture.width * this.scale) / 2;
    this.y = (this.height - this.picture.height * this.scale) / 2;
    this.fitted = true;
  }

  /** Zoom by a factor so that what lies at a point of the stage stays there. */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const least = Math.min(this.fitScale / 2, 1);
    const scale = Math.min(MOST, Math.max(least, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.pan(0, 0);
  }

  pan(right, down) {
    const keep = 60; // px of the picture stay on the stage
    const clamp = (at, size, whole) => Math.min(whole - keep, Math.max(keep - size, at));
    this.x = clamp(this.x + right, this.picture.width * this.scale, this.width);
    this.y = clamp(this.y + down, this.picture.height * this.scale, this.height);
    if (right || down) this.fitted = false;
  }

  /** Return a point of the stage in pixels of the picture. */
  toPicture(x, y) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }
}
