# A formula for a tap of your own; scripts/make_formula.py fills in a release's address and checksum.
#
# It has not been run through `brew` yet. Not for homebrew-core, which builds every dependency from
# its sources: MLX's need Xcode with the Metal compiler, so what is needed is installed by pip as
# wheels, in the versions that the tests pass with. That needs the package index at install time.
class FarenseTui < Formula
  desc "Start, watch and steer LoRA fine-tuning with MLX from a terminal"
  homepage "@HOMEPAGE@"
  url "@URL@"
  sha256 "@SHA256@"
  license "MIT"

  # Some wheels leave no room in their libraries' headers for brew's longer paths (omlx#155). This
  # keeps the ids that begin with @rpath; pillow's are others, and have the room.
  preserve_rpath

  depends_on arch: :arm64
  depends_on macos: :sonoma
  depends_on "python@3.12"

  def install
    system Formula["python@3.12"].opt_bin/"python3.12", "-m", "venv", libexec
    system libexec/"bin/python", "-m", "pip", "install", "--constraint", "constraints.txt", buildpath
    bin.install_symlink libexec/"bin/farense-tui"
    man1.install "docs/farense-tui.1"
    generate_completions_from_executable(bin/"farense-tui", "completion", shells: [:bash, :zsh, :fish])
  end

  test do
    assert_equal "farense-tui #{version}", shell_output("#{bin}/farense-tui --version").strip
    assert_match "demo", shell_output("#{bin}/farense-tui profiles")
  end
end
