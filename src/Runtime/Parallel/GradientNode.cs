using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Generated.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Generated.Parallel;

/// <summary>
/// An operation of one tensor with a gradient of its own: a node in libtorch's autograd graph.
/// <para>
/// It does what <see cref="autograd.SingleTensorFunction{T}"/> does, without its two costs: that class keeps a second
/// tensor of the output's size until the graph is freed, and an exception in its backward pass ends the process. Here
/// the exception is kept, the gradient is left undefined, and <see cref="Backpropagate"/>, or the next operation on the
/// thread that made the node, throws it.
/// </para>
/// Use an instance once. Tensors that the backward pass needs go through <see cref="Keep"/>.
/// </summary>
public abstract class GradientNode
{
    private readonly List<Tensor> kept = [];

    /// <summary>Applies the operation. The result belongs to the caller.</summary>
    public Tensor Apply(Tensor input)
    {
        GradientFailures.OfThread.ThrowIfAny();
        if (is_grad_enabled() && input.requires_grad)
            return NodeSlot.Take(this).Apply(input);
        try
        {
            return ForwardWithoutGradients(input);
        }
        finally
        {
            Release();
        }
    }

    /// <summary>Runs a backward pass and throws what a node's backward pass has thrown.</summary>
    /// <param name="output">A scalar loss, or any tensor with its gradient (a pipeline stage's output).</param>
    /// <param name="gradient">Gradient of <paramref name="output"/>, of its shape; none for a scalar.</param>
    public static void Backpropagate(Tensor output, Tensor? gradient = null)
    {
        ArgumentNullException.ThrowIfNull(output);
        try
        {
            output.backward(gradient is null ? null : [gradient]);
        }
        finally
        {
            NodeSlot.ReleaseLastGradient();
        }
        GradientFailures.OfThread.ThrowIfAny();
    }

    /// <summary>The result: a new tensor, or an alias of <paramref name="input"/>. Runs without gradients.</summary>
    protected abstract Tensor Forward(Tensor input);

    /// <summary>
    /// The gradient of the input: a new tensor or an alias. <paramref name="gradient"/> is that of the result; it may be
    /// expanded (zero strides) and must not be changed. Runs without gradients.
    /// </summary>
    protected abstract Tensor Backward(Tensor gradient);

    /// <summary>Keeps a tensor for the backward pass; it is disposed with the node.</summary>
    protected Tensor Keep(Tensor tensor)
    {
        kept.Add(tensor.DetachFromDisposeScope());
        return tensor;
    }

    internal Tensor ForwardWithoutGradients(Tensor input)
    {
        using var _ = no_grad();
        return Forward(input);
    }

    /// <summary>The gradient, outside any dispose scope.</summary>
    internal Tensor BackwardWithoutGradients(Tensor gradient)
    {
        using var _ = no_grad();
        return Backward(gradient).DetachFromDisposeScope();
    }

    internal void Release()
    {
        foreach (var tensor in kept)
            tensor.Dispose();
        kept.Clear();
    }
}

/// <summary>Exceptions of backward passes, by the thread that built the graph (with CUDA another thread runs them).</summary>
internal sealed class GradientFailures
{
    [ThreadStatic]
    private static GradientFailures? ofThread;

    private ExceptionDispatchInfo? first;

    internal static GradientFailures OfThread => ofThread ??= new();

    internal void Add(Exception e) => Interlocked.CompareExchange(ref first, ExceptionDispatchInfo.Capture(e), null);

    internal void ThrowIfAny() => Interlocked.Exchange(ref first, null)?.Throw();
}

/// <summary>
/// The native side of one <see cref="GradientNode"/>. Slots and their two function pointers are reused and never
/// collected, since libtorch frees a node at a time of its own choosing; there are as many as nodes ever lived at once.
/// </summary>
internal sealed unsafe class NodeSlot
{
    private static readonly List<NodeSlot> All = [];
    private static readonly Stack<NodeSlot> Free = new();

    // libtorch copies a returned gradient after the callback has returned, so it lives until the next callback on the thread.
    [ThreadStatic]
    private static Tensor? lastGradient;

    [ThreadStatic]
    private static nint* wrapped;

    private readonly ApplyFunction applyFunction;
    private readonly DeleteFunction deleteFunction;
    private readonly nint apply;
    private readonly nint delete;
    private readonly nint* returned = (nint*)NativeMemory.AllocZeroed((nuint)sizeof(nint));
    private NativeNode node;
    private GradientNode? operation;
    private GradientFailures? failures;

    private NodeSlot()
    {
        applyFunction = OnApply;
        deleteFunction = OnDelete;
        apply = Marshal.GetFunctionPointerForDelegate(applyFunction);
        delete = Marshal.GetFunctionPointerForDelegate(deleteFunction);
    }

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate NativeTensors ApplyFunction(nint* gradients, int count);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void DeleteFunction();

    /// <summary>Number of nodes that libtorch holds.</summary>
    internal static int Living
    {
        get
        {
            lock (All)
                return All.Count - Free.Count;
        }
    }

    internal static NodeSlot Take(GradientNode operation)
    {
        NodeSlot? slot;
        lock (All)
        {
            if (!Free.TryPop(out slot))
                All.Add(slot = new NodeSlot());
        }
        slot.operation = operation;
        slot.failures = GradientFailures.OfThread;
        return slot;
    }

    internal static void ReleaseLastGradient()
    {
        lastGradient?.Dispose();
        lastGradient = null;
    }

    internal Tensor Apply(Tensor input)
    {
        node = TorchSharpExports.THSAutograd_CSharpNode_ctor(apply, delete);
        CheckForErrors();
        var self = node;
        nint result = 0;
        try
        {
            var handle = input.Handle;
            TorchSharpExports.THSAutograd_CSharpNode_setNextEdges(self, new(&handle, 1), true);
            CheckForErrors();
            TorchSharpExports.THSAutograd_CSharpNode_clearInputMetadata(self);
            CheckForErrors();
            using var output = operation!.ForwardWithoutGradients(input);
            var outputHandle = output.Handle;
            wrapped = &result;
            TorchSharpExports.THSAutograd_Function_wrapOutputs(new(&handle, 1), default, default, new(&outputHandle, 1), self, &Allocate);
            CheckForErrors();
            GC.KeepAlive(input);
        }
        finally
        {
            // From here on the graph alone holds the node; without an output it goes at once.
            TorchSharpExports.THSAutograd_CSharpNode_disposeSharedPtr(self);
        }
        return Tensor.UnsafeCreateTensor(result);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static nint* Allocate(nuint count) => wrapped;

    /// <summary>Called by libtorch's backward pass; an exception must not leave it.</summary>
    private NativeTensors OnApply(nint* gradients, int count)
    {
        *returned = 0;
        try
        {
            ReleaseLastGradient();
            using var scope = NewDisposeScope();
            for (var i = 1; i < count; i++)
                if (gradients[i] != 0)
                    Tensor.UnsafeCreateTensor(gradients[i]).Dispose();
            if (gradients[0] != 0)
            {
                using var gradient = Tensor.UnsafeCreateTensor(gradients[0]);
                lastGradient = operation!.BackwardWithoutGradients(gradient);
                *returned = lastGradient.Handle;
            }
        }
        catch (Exception e)
        {
            failures!.Add(e);
        }
        return new(returned, 1);
    }

    /// <summary>Called by libtorch when it frees the node, on any thread.</summary>
    private void OnDelete()
    {
        operation?.Release();
        operation = null;
        TorchSharpExports.THSAutograd_CSharpNode_disposeWeakPtr(node);
        lock (All)
            Free.Push(this);
    }
}
