"""The gradient checker: does a derivative say what the function does?

Move one number x_i a little to both sides and see how the result y moves: (y(x + h) - y(x - h)) / 2h is the numeric
derivative. It knows nothing of the rules of calculus, so it is an independent witness of the analytic one.

1. Everything is computed in float64. y has many elements, so both sides are weighted with a random cotangent v: the
   analytic side is `grad(y, x, v)`, the numeric side (v.y(x + h) - v.y(x - h)) / 2h. Never with ones: the softmax sums
   to 1, so with ones every multiple of its gradient would look right.
2. A large h bends away from the tangent, a small h drowns in rounding. So several h are tried, and their disagreement
   says how far the numeric side itself can be trusted. That error, not a guess, is the tolerance.
3. At a kink (relu at 0) there is no derivative: slopes from the left and right differ at every h. That is said.
4. A check that could not fail proves nothing. So the analytic gradient is spoilt on purpose (times 1.01, sign turned,
   zero, elements shifted or transposed, one of them changed), and the check has to notice each time; where all is zero
   it refuses.
5. The gradient is itself a function of x and v. Checked in the same way it gives order 2; and so on.
6. A wrong gradient is mended in every way that is known to go wrong (another factor, axes exchanged, a sum left out, a
   constant that was none). What would then have passed is what the mistake looks like.

Imports: tensor, random. Read next: ``numeric.py``, ``problem.py``, ``verdict.py``, ``check.py``, then
``diagnosis/__init__.py``.
"""

from minigen.gradcheck.check import gradcheck
from minigen.gradcheck.report import Explanation, GradientMismatch, Mutation, Report, Row, Verdict

__all__ = ["Explanation", "GradientMismatch", "Mutation", "Report", "Row", "Verdict", "gradcheck"]
